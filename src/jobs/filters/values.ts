import type { Budget } from './budget.js';

/**
 * Values as Python 3 has them: None is null, bool is boolean, int is bigint, float is number, str is string (its
 * characters are code points, not UTF-16 units), and the four containers.
 */
export type Value = null | boolean | bigint | number | string | Sequence | Dict | PySet;

/** What Python would raise. The evaluator adds the place in the expression. */
export class PythonError extends Error {
  constructor(
    type: 'TypeError' | 'ValueError' | 'KeyError' | 'IndexError' | 'AttributeError' | 'ArithmeticError',
    message: string,
  ) {
    super(`${type}: ${message}`);
  }
}

/** A list or a tuple. Items that come from JSON are converted when they are first looked at. */
export class Sequence {
  readonly kind: 'list' | 'tuple';
  readonly #source: () => readonly Value[];
  #items: readonly Value[] | undefined;

  constructor(kind: 'list' | 'tuple', items: readonly Value[] | (() => readonly Value[])) {
    this.kind = kind;
    this.#source = typeof items === 'function' ? items : () => items;
  }

  get items(): readonly Value[] {
    return (this.#items ??= this.#source());
  }
}

type Entries = ReadonlyMap<string, { readonly key: Value; readonly value: Value }>;

/** A dict, by the hashes of its keys. */
export class Dict {
  readonly kind = 'dict';
  readonly #source: () => Entries;
  #entries: Entries | undefined;

  constructor(source: () => Entries) {
    this.#source = source;
  }

  get entries(): Entries {
    return (this.#entries ??= this.#source());
  }

  get(key: Value, budget: Budget): Value | undefined {
    return this.entries.get(hash(key, budget))?.value;
  }
}

/** A set, by the hashes of its items. */
export class PySet {
  readonly kind = 'set';
  readonly items: ReadonlyMap<string, Value>;

  constructor(items: ReadonlyMap<string, Value>) {
    this.items = items;
  }
}

/** A dict display. Of keys that are equal (1, 1.0 and True) the first stays, with the last one's value. */
export function makeDict(pairs: readonly (readonly [Value, Value])[], budget: Budget): Dict {
  const entries = new Map<string, { readonly key: Value; readonly value: Value }>();
  for (const [key, value] of pairs) {
    const at = hash(key, budget);
    entries.set(at, { key: entries.get(at)?.key ?? key, value });
  }
  return new Dict(() => entries);
}

/** A set display. Of items that are equal the first stays. */
export function makeSet(items: readonly Value[], budget: Budget): PySet {
  const map = new Map<string, Value>();
  for (const item of items) {
    const at = hash(item, budget);
    if (!map.has(at)) map.set(at, item);
  }
  return new PySet(map);
}

/**
 * A value from parsed JSON. A number without a fraction becomes an int: JavaScript's parser does not tell `1.0` from `1`,
 * which Python's does (there only the type differs; the two compare equal).
 */
export function fromJson(json: unknown): Value {
  if (json === null || json === undefined) return null;
  if (typeof json === 'number') return Number.isInteger(json) ? BigInt(json) : json;
  if (typeof json === 'boolean' || typeof json === 'string' || typeof json === 'bigint') return json;
  if (Array.isArray(json)) return new Sequence('list', () => json.map(fromJson));
  if (typeof json === 'object')
    return new Dict(
      () =>
        new Map(Object.entries(json).map(([key, value]) => [`str ${key}`, { key, value: fromJson(value) }])),
    );
  throw new PythonError('TypeError', `a job holds no ${typeof json}`);
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  return typeof value === 'string' ? 'str' : value.kind;
}

/** Python's bool(value). */
export function isTruthy(value: Value): boolean {
  if (value instanceof Sequence) return value.items.length > 0;
  if (value instanceof Dict) return value.entries.size > 0;
  if (value instanceof PySet) return value.items.size > 0;
  // NaN is true in Python.
  return typeof value === 'number' ? value !== 0 : Boolean(value);
}

/** A number as itself, a bool as 0 or 1; undefined for anything else. */
export function asNumber(value: Value): bigint | number | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined;
}

/** An int or a bool, as indexes, counts and repetitions want it. */
export function asInteger(value: Value): bigint | undefined {
  const number = asNumber(value);
  return typeof number === 'bigint' ? number : undefined;
}

/** How many characters a str has. */
export function codePointLength(text: string): number {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** True when UTF-16 units and code points are not the same thing in this text. */
export const HAS_SURROGATE = /[\ud800-\udfff]/;

/** Whether a container that looks up by hash has the value. */
export function hasKey(container: Dict | PySet, key: Value, budget: Budget): boolean {
  const at = hash(key, budget);
  return container instanceof Dict ? container.entries.has(at) : container.items.has(at);
}

/** A text that is the same for equal values and only for them. */
function hash(value: Value, budget: Budget): string {
  budget.spend(1);
  const number = asNumber(value);
  if (number !== undefined) {
    const whole = typeof number === 'number' && Number.isInteger(number) ? BigInt(number) : number;
    return `number ${whole.toString()}`;
  }
  if (value === null) return 'None';
  if (typeof value === 'string') {
    budget.spendText(value);
    return `str ${value}`;
  }
  if (!(value instanceof Sequence) || value.kind !== 'tuple')
    throw new PythonError('TypeError', `unhashable type: '${typeName(value)}'`);
  const items = budget.nested(() => value.items.map((item) => hash(item, budget)));
  budget.spendText(...items);
  return `tuple ${items.map((item) => `${item.length} ${item}`).join(' ')}`;
}
