import type { SyntaxNode } from '@lezer/common';
import { BudgetError, MAX_DEPTH } from './budget.js';
import { checkGenerator } from './check-generator.js';
import { readNumber, readString } from './literals.js';
import { isOperatorNode, Operators } from './operators.js';
import { STRING_METHODS } from './strings.js';
import type { Expression } from './syntax.js';
import { children, refusal, unwrap } from './tree.js';

const FUNCTIONS = 'len, any and all';
const METHODS: ReadonlySet<string> = new Set(['get', ...STRING_METHODS.keys()]);

/** The names that have a value where an expression stands. */
export type Names = ReadonlySet<string>;

/** Turns the parser's tree into the filter's own and refuses, with FilterError, everything that parseLambda does not list. */
export class Checker {
  readonly #source: string;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  expression(node: SyntaxNode, names: Names): Expression {
    const inner = unwrap(node);
    return this.nested(node, () =>
      isOperatorNode(inner) ? new Operators(inner, names, this).parse() : this.#convert(inner, names),
    );
  }

  /** Bounds how deep expressions go. */
  nested(node: SyntaxNode, work: () => Expression): Expression {
    if (this.#depth >= MAX_DEPTH) this.refuse(node, `goes deeper than ${MAX_DEPTH} levels`);
    this.#depth++;
    const expression = work();
    this.#depth--;
    return expression;
  }

  #convert(node: SyntaxNode, names: Names): Expression {
    const span = { from: node.from, to: node.to };
    const parts = children(node);
    switch (node.name) {
      case 'None':
        return { ...span, type: 'constant', value: null };
      case 'Boolean':
        return { ...span, type: 'constant', value: this.text(node) === 'True' };
      case 'Number':
        return this.#number(node);
      case 'String':
        return { ...span, type: 'constant', value: this.#string(node) };
      case 'ContinuedString':
        return { ...span, type: 'constant', value: parts.map((part) => this.#string(part)).join('') };
      case 'VariableName':
        return { ...span, type: 'name', name: this.#name(node, names) };
      case 'ArrayExpression':
        return { ...span, type: 'list', items: this.#items(node, names) };
      case 'TupleExpression':
        return { ...span, type: 'tuple', items: this.#items(node, names) };
      case 'SetExpression':
        return { ...span, type: 'set', items: this.#items(node, names) };
      case 'DictionaryExpression':
        return { ...span, type: 'dict', entries: this.#entries(node, names) };
      case 'MemberExpression':
        return this.#subscript(node, parts, names);
      case 'CallExpression':
        return this.#call(node, parts, names);
      default:
        return this.refuseNode(node);
    }
  }

  #number(node: SyntaxNode): Expression {
    try {
      const value = readNumber(this.text(node));
      if (value !== undefined) return { from: node.from, to: node.to, type: 'constant', value };
    } catch (error) {
      if (error instanceof BudgetError) this.refuse(node, error.message);
      throw error;
    }
    return this.refuse(node, 'numbers of this form are not supported');
  }

  #string(node: SyntaxNode): string {
    if (node.name !== 'String') return this.refuseNode(node);
    const result = readString(this.text(node));
    return 'value' in result ? result.value : this.refuse(node, result.reason);
  }

  #name(node: SyntaxNode, names: Names): string {
    const name = this.text(node);
    return names.has(name) ? name : this.refuse(node, `the name ${name} is not defined`);
  }

  #items(node: SyntaxNode, names: Names): Expression[] {
    return this.separated(children(node).slice(1, -1)).map((item) => this.expression(item, names));
  }

  /** The nodes between commas, one node each. */
  separated(parts: readonly SyntaxNode[]): SyntaxNode[] {
    return parts.flatMap((part, index) => {
      const isComma = part.name === ',';
      if (isComma !== (index % 2 === 1)) this.refuse(part, 'this is not supported here');
      return isComma ? [] : [part];
    });
  }

  #entries(node: SyntaxNode, names: Names): (readonly [Expression, Expression])[] {
    const entries: (readonly [Expression, Expression])[] = [];
    const parts = children(node).slice(1, -1);
    for (let index = 0; index < parts.length; index += 4) {
      const [key, colon, value, comma] = parts.slice(index, index + 4);
      if (key === undefined || colon?.name !== ':' || value === undefined || (comma?.name ?? ',') !== ',')
        return this.refuseNode(node);
      entries.push([this.expression(key, names), this.expression(value, names)]);
    }
    return entries;
  }

  #subscript(node: SyntaxNode, parts: readonly SyntaxNode[], names: Names): Expression {
    const span = { from: node.from, to: node.to };
    const [object, bracket, ...inner] = parts;
    if (object === undefined || bracket?.name !== '[')
      return this.refuse(
        node,
        `attributes are not supported, other than calls of ${[...METHODS].join(', ')}`,
      );
    const content = inner.slice(0, -1);
    const comma = content.find((part) => part.name === ',');
    if (comma !== undefined) return this.refuse(comma, 'an index of several values is not supported');
    const target = this.expression(object, names);
    const [first] = content;
    if (!content.some((part) => part.name === ':')) {
      if (first === undefined || content.length > 1) return this.refuseNode(node);
      return { ...span, type: 'index', object: target, index: this.expression(first, names) };
    }
    const bounds: [Expression | undefined, Expression | undefined, Expression | undefined] = [
      undefined,
      undefined,
      undefined,
    ];
    let slot = 0;
    for (const part of content) {
      if (part.name === ':') slot++;
      else bounds[slot] = this.expression(part, names);
    }
    return slot <= 2 ? { ...span, type: 'slice', object: target, bounds } : this.refuseNode(node);
  }

  #call(node: SyntaxNode, parts: readonly SyntaxNode[], names: Names): Expression {
    const span = { from: node.from, to: node.to };
    const [callee, list] = parts;
    if (callee === undefined || list?.name !== 'ArgList') return this.refuseNode(node);
    const content = children(list).slice(1, -1);
    const called = this.text(callee);
    if (callee.name === 'VariableName' && !names.has(called)) {
      if (called === 'any' || called === 'all') {
        if (content.some((part) => part.name === 'for'))
          return { ...span, type: called, arg: checkGenerator(list, content, names, this) };
        const only = content.length === 1 ? content[0] : undefined;
        const inner = only?.name === 'ComprehensionExpression' ? children(only).slice(1, -1) : undefined;
        if (only !== undefined && inner !== undefined)
          return { ...span, type: called, arg: checkGenerator(only, inner, names, this) };
      }
      if (called === 'any' || called === 'all' || called === 'len') {
        const [arg, ...others] = this.#arguments(content, names);
        if (arg !== undefined && others.length === 0) return { ...span, type: called, arg };
        return this.refuse(list, `${called} takes one argument`);
      }
    }
    if (callee.name !== 'MemberExpression')
      return this.refuse(callee, `only ${FUNCTIONS} can be called here`);
    const [object, dot, property] = children(callee);
    if (object === undefined || dot?.name !== '.' || property === undefined)
      return this.refuse(callee, 'what is indexed here cannot be called');
    // The parser reads 1.strip() as a method of 1; to Python it is a malformed number.
    if (/^[\d_]+$/.test(this.text(object))) return this.refuse(object, 'a number has no methods');
    const name = this.text(property);
    if (!METHODS.has(name)) {
      const hint = name === 'has_key' ? ': write key in job' : `; there are ${[...METHODS].join(', ')}`;
      return this.refuse(property, `the method ${name} is not supported${hint}`);
    }
    return {
      ...span,
      type: 'method',
      object: this.expression(object, names),
      name,
      args: this.#arguments(content, names),
    };
  }

  #arguments(content: readonly SyntaxNode[], names: Names): Expression[] {
    const special = content.find((part) => ['for', 'AssignOp', '*', '**'].includes(part.name));
    if (special !== undefined) this.refuse(special, 'only plain arguments are supported here');
    return this.separated(content).map((arg) => this.expression(arg, names));
  }

  text(node: SyntaxNode): string {
    return this.#source.slice(node.from, node.to);
  }

  refuseNode(node: SyntaxNode): never {
    const name = node.name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
    return this.refuse(node, `${name} is not supported in a filter`);
  }

  refuse(node: SyntaxNode, reason: string): never {
    throw refusal(this.#source, node.from, reason);
  }
}
