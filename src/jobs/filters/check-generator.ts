import type { SyntaxNode } from '@lezer/common';
import type { Checker, Names } from './check.js';
import type { Clause, Generator } from './syntax.js';
import { children } from './tree.js';

/** `element for a, b in iterable if condition for ...`: the nodes between the parentheses, and the names outside. */
export function checkGenerator(
  node: SyntaxNode,
  parts: readonly SyntaxNode[],
  names: Names,
  checker: Checker,
): Generator {
  const [element, ...tail] = parts;
  if (element === undefined) return checker.refuseNode(node);
  const starts = tail.flatMap((part, index) => (part.name === 'for' ? [index] : []));
  if (starts[0] !== 0)
    return checker.refuse(tail[0] ?? node, 'only a plain generator expression is supported here');
  const written = starts.map((start, index) =>
    splitClause(tail.slice(start + 1, starts[index + 1]), node, checker),
  );
  const bound = written.flatMap(({ targets }) => targets);
  // Inside, a name that some `for` binds hides the same name outside: before its turn it has no value.
  let visible: Names = new Set([...names].filter((name) => !bound.includes(name)));
  const clauses = written.map(({ targets, unpack, iterable, rest }, index): Clause => {
    // Only the first iterable is evaluated outside.
    const source = checker.expression(iterable, index === 0 ? names : visible);
    visible = new Set([...visible, ...targets]);
    return { targets, unpack, iterable: source, conditions: checkConditions(rest, visible, checker) };
  });
  return {
    from: node.from,
    to: node.to,
    type: 'generator',
    element: checker.expression(element, visible),
    clauses,
  };
}

function splitClause(parts: readonly SyntaxNode[], node: SyntaxNode, checker: Checker) {
  const end = parts.findIndex((part) => part.name === 'in');
  const [iterable, ...rest] = parts.slice(end + 1);
  const written = parts.slice(0, Math.max(0, end));
  const [first] = written;
  const isTuple = written.length === 1 && first?.name === 'TupleExpression';
  const nodes = checker.separated(isTuple ? children(first).slice(1, -1) : written);
  const wrong = nodes.find((target) => target.name !== 'VariableName');
  if (iterable === undefined || wrong !== undefined || nodes.length === 0)
    return checker.refuse(wrong ?? node, 'only names can be bound here');
  const targets = nodes.map((target) => checker.text(target));
  return { targets, unpack: isTuple || written.length > 1, iterable, rest };
}

function checkConditions(parts: readonly SyntaxNode[], names: Names, checker: Checker) {
  return parts.flatMap((part, index) => {
    const isKeyword = part.name === 'if';
    if (isKeyword !== (index % 2 === 0))
      checker.refuse(part, 'this is not supported in a generator expression');
    return isKeyword ? [] : [checker.expression(part, names)];
  });
}
