import type { Budget } from './budget.js';
import {
  asInteger,
  codePointLength,
  Dict,
  PySet,
  PythonError,
  Sequence,
  typeName,
  type Value,
} from './values.js';

/** Python's `object[index]`. */
export function getItem(object: Value, index: Value, budget: Budget): Value {
  if (object instanceof Dict) {
    const value = object.get(index, budget);
    if (value === undefined)
      throw new PythonError('KeyError', typeof index === 'string' ? `'${index}'` : typeName(index));
    return value;
  }
  const items = sequenceItems(object, budget);
  if (items === undefined)
    throw new PythonError('TypeError', `'${typeName(object)}' object is not subscriptable`);
  const position = asInteger(index);
  if (position === undefined)
    throw new PythonError(
      'TypeError',
      `${typeName(object)} indices must be integers, not ${typeName(index)}`,
    );
  const item = items.at(clamp(position));
  if (item === undefined) throw new PythonError('IndexError', `${typeName(object)} index out of range`);
  return item;
}

/** Python's `object[start:stop:step]`; None stands for a bound that is left out. */
export function getSlice(
  object: Value,
  [start, stop, step]: readonly [Value, Value, Value],
  budget: Budget,
): Value {
  if (typeof object === 'string') return slice(budget.codePoints(object), start, stop, step, budget).join('');
  if (object instanceof Sequence)
    return new Sequence(object.kind, slice(object.items, start, stop, step, budget));
  throw new PythonError('TypeError', `'${typeName(object)}' object cannot be sliced`);
}

function slice<T extends Value>(
  items: readonly T[],
  start: Value,
  stop: Value,
  step: Value,
  budget: Budget,
): T[] {
  const by = sliceIndex(step) ?? 1;
  if (by === 0) throw new PythonError('ValueError', 'slice step cannot be zero');
  const [low, high] = by > 0 ? [0, items.length] : [-1, items.length - 1];
  const bound = (value: Value, fallback: number): number => {
    const index = sliceIndex(value);
    if (index === undefined) return fallback;
    return Math.min(high, Math.max(low, index < 0 ? index + items.length : index));
  };
  const [from, to] = [bound(start, by > 0 ? low : high), bound(stop, by > 0 ? high : low)];
  budget.spendCharacters(items.length);
  const count = Math.max(0, Math.ceil((to - from) / by));
  return Array.from({ length: count }, (_, index) => from + index * by).flatMap((index) =>
    items.slice(index, index + 1),
  );
}

/** Python's len(). */
export function lengthOf(value: Value, budget: Budget): bigint {
  if (typeof value === 'string') {
    budget.spendText(value);
    return BigInt(codePointLength(value));
  }
  if (value instanceof Sequence) return BigInt(value.items.length);
  if (value instanceof Dict) return BigInt(value.entries.size);
  if (value instanceof PySet) return BigInt(value.items.size);
  throw new PythonError('TypeError', `object of type '${typeName(value)}' has no len()`);
}

/** What a `for` over the value meets: items, characters, or the keys of a dict. */
export function iterate(value: Value, budget: Budget): readonly Value[] {
  const items = allItems(value, budget);
  if (items === undefined) throw new PythonError('TypeError', `'${typeName(value)}' object is not iterable`);
  budget.spend(items.length);
  return items;
}

function allItems(value: Value, budget: Budget): readonly Value[] | undefined {
  if (value instanceof Dict) return [...value.entries.values()].map(({ key }) => key);
  if (value instanceof PySet) return [...value.items.values()];
  return sequenceItems(value, budget);
}

function sequenceItems(value: Value, budget: Budget): readonly Value[] | undefined {
  if (value instanceof Sequence) return value.items;
  if (typeof value !== 'string') return undefined;
  return budget.codePoints(value);
}

function sliceIndex(value: Value): number | undefined {
  if (value === null) return undefined;
  const index = asInteger(value);
  if (index === undefined) throw new PythonError('TypeError', 'slice indices must be integers or None');
  return clamp(index);
}

/** An index far outside any sequence is as good as a nearer one outside, and stays exact as a number. */
function clamp(index: bigint): number {
  const far = 2n ** 40n;
  return Number(index > far ? far : index < -far ? -far : index);
}
