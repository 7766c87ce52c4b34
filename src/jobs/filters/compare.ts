import type { Budget } from './budget.js';
import { asNumber, Dict, hasKey, PySet, PythonError, Sequence, typeName, type Value } from './values.js';

export type OrderOperator = '<' | '<=' | '>' | '>=';

/** Python's `==`. Numbers compare by value whatever their type; other values of different types are never equal. */
export function isEqual(left: Value, right: Value, budget: Budget): boolean {
  budget.spend(1);
  const [a, b] = [asNumber(left), asNumber(right)];
  // JavaScript compares a bigint with a number by their exact values, as Python does.
  if (a !== undefined && b !== undefined) return a == b;
  if (left instanceof Sequence && right instanceof Sequence)
    return (
      left.kind === right.kind &&
      left.items.length === right.items.length &&
      budget.nested(() =>
        left.items.every((item, index) => isEqual(item, right.items[index] ?? null, budget)),
      )
    );
  if (left instanceof Dict && right instanceof Dict)
    return (
      left.entries.size === right.entries.size &&
      budget.nested(() =>
        [...left.entries].every(([hash, { value }]) => {
          const other = right.entries.get(hash);
          return other !== undefined && isEqual(value, other.value, budget);
        }),
      )
    );
  if (left instanceof PySet && right instanceof PySet)
    return (
      left.items.size === right.items.size && [...left.items.keys()].every((hash) => right.items.has(hash))
    );
  return left === right;
}

/** Python's `<`, `<=`, `>`, `>=`: numbers, two str, two lists or two tuples; everything else is a TypeError. */
export function isOrdered(left: Value, operator: OrderOperator, right: Value, budget: Budget): boolean {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) return holds(a < b ? -1 : a > b ? 1 : a == b ? 0 : NaN, operator);
  if (typeof left === 'string' && typeof right === 'string') {
    budget.spendText(left, right);
    return holds(compareText(left, right), operator);
  }
  if (left instanceof Sequence && right instanceof Sequence && left.kind === right.kind) {
    const length = Math.min(left.items.length, right.items.length);
    for (let index = 0; index < length; index++) {
      const [x = null, y = null] = [left.items[index], right.items[index]];
      if (!isEqual(x, y, budget)) return budget.nested(() => isOrdered(x, operator, y, budget));
    }
    return holds(left.items.length - right.items.length, operator);
  }
  throw new PythonError(
    'TypeError',
    `'${operator}' not supported between ${typeName(left)} and ${typeName(right)}; ` +
      (left === null || right === null
        ? 'Python 2 accepted None there and took it as the smallest value'
        : 'Python 2 accepted it'),
  );
}

/** Python's `item in container`. */
export function isIn(item: Value, container: Value, budget: Budget): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new PythonError(
        'TypeError',
        `'in <string>' requires string as left operand, not ${typeName(item)}`,
      );
    budget.spendText(container);
    return container.includes(item);
  }
  if (container instanceof Sequence) return container.items.some((other) => isEqual(other, item, budget));
  if (container instanceof Dict || container instanceof PySet) return hasKey(container, item, budget);
  throw new PythonError('TypeError', `argument of type '${typeName(container)}' is not iterable`);
}

/** By code point, not by UTF-16 unit: the two differ above U+FFFF. */
function compareText(left: string, right: string): number {
  let index = 0;
  while (index < left.length && left.charCodeAt(index) === right.charCodeAt(index)) index++;
  // The first unit that differs may be the second half of a pair, whose first halves are equal: its order is right too.
  return (left.codePointAt(index) ?? -1) - (right.codePointAt(index) ?? -1);
}

function holds(order: number, operator: OrderOperator): boolean {
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}
