import { unreachable } from '../../lib/errors.js';
import { getItem, getSlice, iterate, lengthOf } from './access.js';
import { applySign, calculate } from './arithmetic.js';
import { Budget, BudgetError } from './budget.js';
import { isEqual, isIn, isOrdered } from './compare.js';
import { FilterError } from './filter.js';
import { STRING_METHODS } from './strings.js';
import type { Clause, CompareOperator, Expression, Generator, Lambda } from './syntax.js';
import {
  Dict,
  fromJson,
  isTruthy,
  makeDict,
  makeSet,
  PythonError,
  Sequence,
  typeName,
  type Value,
} from './values.js';

/** One level of parentheses holds several of these; far below what the stack of the JavaScript engine takes. */
const MAX_EVALUATION_DEPTH = 400;

type Scope = ReadonlyMap<string, Value>;

/** The parameter's value for a job. */
export function scopeOf(lambda: Lambda, job: Readonly<Record<string, unknown>>): Scope {
  return new Map([[lambda.parameter, fromJson(job)]]);
}

/**
 * Evaluates checked expressions with Python 3's semantics, in bounded time. Throws FilterError where Python would raise, and
 * where an expression asks for more work than its budget.
 */
export class Evaluator {
  readonly #source: string;
  readonly #budget: Budget;
  /** The part that is at work, for the place in an error. */
  #current: Expression | undefined;
  #depth = 0;

  constructor(lambda: Lambda, budget = new Budget()) {
    this.#source = lambda.source;
    this.#budget = budget;
  }

  evaluate(expression: Expression, scope: Scope): Value {
    try {
      return this.#value(expression, scope);
    } catch (error) {
      if (!(error instanceof PythonError) && !(error instanceof BudgetError)) throw error;
      const { from, to } = this.#current ?? expression;
      throw new FilterError(
        `${error.message}, at character ${from + 1}, in ${this.#source.slice(from, to)}`,
        from,
      );
    }
  }

  #value(expression: Expression, scope: Scope): Value {
    this.#budget.spend(1);
    if (++this.#depth > MAX_EVALUATION_DEPTH) throw new BudgetError('is nested too deep');
    const value = this.#compute(expression, scope);
    this.#depth--;
    return value;
  }

  #compute(expression: Expression, scope: Scope): Value {
    switch (expression.type) {
      case 'constant':
        return expression.value;
      case 'name':
        return scope.get(expression.name) ?? null;
      case 'list':
      case 'tuple': {
        const items = expression.items.map((item) => this.#value(item, scope));
        return new Sequence(expression.type, items);
      }
      case 'set': {
        const items = expression.items.map((item) => this.#value(item, scope));
        return this.#at(expression, () => makeSet(items, this.#budget));
      }
      case 'dict': {
        const pairs = expression.entries.map(
          ([key, value]) => [this.#value(key, scope), this.#value(value, scope)] as const,
        );
        return this.#at(expression, () => makeDict(pairs, this.#budget));
      }
      case 'and':
      case 'or':
        return this.#logical(expression.type, expression.operands, scope);
      case 'not':
        return !isTruthy(this.#value(expression.operand, scope));
      case 'sign': {
        const operand = this.#value(expression.operand, scope);
        return this.#at(expression, () => applySign(expression.sign, operand));
      }
      case 'arithmetic': {
        const [left, right] = [this.#value(expression.left, scope), this.#value(expression.right, scope)];
        return this.#at(expression, () => calculate(left, expression.operator, right, this.#budget));
      }
      case 'compare': {
        let left = this.#value(expression.first, scope);
        for (const { operator, operand } of expression.rest) {
          const right = this.#value(operand, scope);
          if (!this.#at(expression, () => this.#compare(left, operator, right))) return false;
          left = right;
        }
        return true;
      }
      case 'conditional':
        return this.#value(
          isTruthy(this.#value(expression.test, scope)) ? expression.then : expression.otherwise,
          scope,
        );
      case 'index': {
        const [object, index] = [this.#value(expression.object, scope), this.#value(expression.index, scope)];
        return this.#at(expression, () => getItem(object, index, this.#budget));
      }
      case 'slice': {
        const object = this.#value(expression.object, scope);
        const [start, stop, step] = expression.bounds;
        const bound = (part: Expression | undefined): Value => (part ? this.#value(part, scope) : null);
        const bounds = [bound(start), bound(stop), bound(step)] as const;
        return this.#at(expression, () => getSlice(object, bounds, this.#budget));
      }
      case 'method': {
        const object = this.#value(expression.object, scope);
        const args = expression.args.map((arg) => this.#value(arg, scope));
        return this.#at(expression, () => this.#call(object, expression.name, args));
      }
      case 'len': {
        const value = this.#value(expression.arg, scope);
        return this.#at(expression, () => lengthOf(value, this.#budget));
      }
      case 'any':
      case 'all':
        return this.#quantify(expression, scope);
      default:
        return unreachable(expression);
    }
  }

  /** `and` and `or` give the operand that decides, not a bool. */
  #logical(operator: 'and' | 'or', operands: readonly Expression[], scope: Scope): Value {
    let value: Value = null;
    for (const operand of operands) {
      value = this.#value(operand, scope);
      if (isTruthy(value) === (operator === 'or')) break;
    }
    return value;
  }

  #compare(left: Value, operator: CompareOperator, right: Value): boolean {
    switch (operator) {
      case '==':
        return isEqual(left, right, this.#budget);
      case '!=':
        return !isEqual(left, right, this.#budget);
      case 'in':
        return isIn(left, right, this.#budget);
      case 'not in':
        return !isIn(left, right, this.#budget);
      // One side is None, True or False, of which there is one each.
      case 'is':
        return left === right;
      case 'is not':
        return left !== right;
      case '<':
      case '<=':
      case '>':
      case '>=':
        return isOrdered(left, operator, right, this.#budget);
      default:
        return unreachable(operator);
    }
  }

  #call(object: Value, name: string, args: readonly Value[]): Value {
    if (object instanceof Dict && name === 'get') {
      const [key = null, fallback = null] = args;
      expectCount(name, args, 1, 2);
      const value = object.get(key, this.#budget);
      // A key that is there with None is not missing.
      return value === undefined ? fallback : value;
    }
    if (object instanceof Sequence && name === 'count') {
      expectCount(name, args, 1, 1);
      return BigInt(object.items.filter((item) => isEqual(item, args[0] ?? null, this.#budget)).length);
    }
    const method = typeof object === 'string' ? STRING_METHODS.get(name) : undefined;
    if (method === undefined || typeof object !== 'string')
      throw new PythonError('AttributeError', `'${typeName(object)}' object has no attribute '${name}'`);
    expectCount(name, args, method.min, method.max);
    this.#budget.spendText(object);
    return method.call(object, args, this.#budget);
  }

  #quantify(
    expression: Expression & { type: 'any' | 'all'; arg: Expression | Generator },
    scope: Scope,
  ): boolean {
    const { type, arg } = expression;
    // any stops at the first true value, all at the first false one.
    const stopsAt = type === 'any';
    const found =
      arg.type === 'generator'
        ? this.#search(arg, 0, scope, stopsAt)
        : this.#items(expression, this.#value(arg, scope)).some((item) => isTruthy(item) === stopsAt);
    return found === stopsAt;
  }

  /** True when the generator gives a value with the wanted truth. */
  #search(generator: Generator, depth: number, scope: Scope, wanted: boolean): boolean {
    const clause = generator.clauses[depth];
    if (clause === undefined) return isTruthy(this.#value(generator.element, scope)) === wanted;
    const { iterable, conditions } = clause;
    return this.#items(iterable, this.#value(iterable, scope)).some((item) => {
      this.#budget.spend(1);
      const inner = this.#bind(clause, item, scope);
      return (
        conditions.every((condition) => isTruthy(this.#value(condition, inner))) &&
        this.#search(generator, depth + 1, inner, wanted)
      );
    });
  }

  #bind({ targets, unpack, iterable }: Clause, item: Value, scope: Scope): Scope {
    const values = unpack ? this.#items(iterable, item) : [item];
    return this.#at(iterable, () => {
      this.#budget.spend(scope.size + targets.length);
      if (values.length !== targets.length)
        throw new PythonError('ValueError', `${targets.length} values expected, there are ${values.length}`);
      return new Map([...scope, ...targets.map((target, index) => [target, values[index] ?? null] as const)]);
    });
  }

  #items(at: Expression, value: Value): readonly Value[] {
    return this.#at(at, () => iterate(value, this.#budget));
  }

  #at<T>(expression: Expression, work: () => T): T {
    this.#current = expression;
    return work();
  }
}

function expectCount(name: string, args: readonly Value[], min: number, max: number): void {
  if (args.length < min || args.length > max)
    throw new PythonError('TypeError', `${name} takes ${min} to ${max} arguments, not ${args.length}`);
}
