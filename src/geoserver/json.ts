/**
 * Reading of GeoServer's JSON, which is XML in disguise: an empty collection is `""`, a list of one is the element
 * itself, numbers may be strings. All of these take anything and never throw.
 */

export type Json = Readonly<Record<string, unknown>>;

export function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The value at the end of a chain of keys. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => record(inner)[key], value);
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Always an array: nothing and `""` are no element, a single value is one. */
export function list(value: unknown): readonly unknown[] {
  if (value === undefined || value === null || value === '') return [];
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}

/** A list of which `""` is a proper element, as the styles of a layer group. */
export function listOfTexts(value: unknown): readonly string[] {
  return list(value).map(text);
}

/** `{"entry":[{"@key":k,"$":v},…]}` as a map; entries with structured values are left out. */
export function entries(value: unknown): ReadonlyMap<string, string> {
  const pairs = list(at(value, 'entry')).map((entry) => [text(at(entry, '@key')), at(entry, '$')] as const);
  return new Map(pairs.filter(([, inner]) => inner !== undefined).map(([key, inner]) => [key, text(inner)]));
}

/** The reverse of {@link entries}. */
export function toEntries(map: Iterable<readonly [string, string]>): Json {
  return { entry: [...map].map(([key, value]) => ({ '@key': key, $: value })) };
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return sameList([...new Set(a)].sort(), [...new Set(b)].sort());
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
