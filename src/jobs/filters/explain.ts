import { Evaluator, scopeOf } from './evaluate.js';
import { parseLambda } from './parse.js';
import { repr } from './repr.js';
import type { Expression, Lambda } from './syntax.js';
import { isTruthy, type Value } from './values.js';

export interface Explanation {
  /** The expression's value as Python prints it. */
  readonly value: string;
  readonly taken: boolean;
  /** The parts that decided, in their order, and the values that they looked at. */
  readonly because: readonly { readonly part: string; readonly value: string }[];
}

export function evaluateFor(lambda: Lambda, job: Readonly<Record<string, unknown>>): Value {
  return new Evaluator(lambda).evaluate(lambda.body, scopeOf(lambda, job));
}

/** Evaluates an expression on one job and says which of its parts decided. Throws FilterError as a filter does. */
export function explainFilter(source: string, job: Readonly<Record<string, unknown>>): Explanation {
  const lambda = parseLambda(source);
  const scope = scopeOf(lambda, job);
  const value = (part: Expression): Value => new Evaluator(lambda).evaluate(part, scope);
  const result = value(lambda.body);
  const because = deciding(lambda.body, (part) => isTruthy(value(part))).map((part) => ({
    part: source.slice(part.from, part.to),
    value: repr(value(part)),
  }));
  return { value: repr(result), taken: isTruthy(result), because };
}

/** Follows `and`, `or`, `not` and `if` down to the parts without which the outcome would differ. */
function deciding(part: Expression, isTrue: (part: Expression) => boolean): Expression[] {
  const follow = (next: Expression): Expression[] => deciding(next, isTrue);
  if (part.type === 'and' || part.type === 'or') {
    const decider = part.operands.find((operand) => isTrue(operand) === (part.type === 'or'));
    return decider === undefined ? part.operands.flatMap(follow) : follow(decider);
  }
  if (part.type === 'not') return follow(part.operand);
  if (part.type === 'conditional')
    return [...follow(part.test), ...follow(isTrue(part.test) ? part.then : part.otherwise)];
  if (part.type !== 'compare') return [part];
  // Of a chain only the first two are sure to have been looked at.
  return [part, ...[part.first, ...part.rest.slice(0, 1).map(({ operand }) => operand)].filter(isLookup)];
}

/** True for what depends on the job; a literal says nothing that the comparison does not show already. */
function isLookup(part: Expression): boolean {
  return ['name', 'index', 'slice', 'method', 'len', 'any', 'all', 'arithmetic'].includes(part.type);
}
