import type { Budget } from './budget.js';
import {
  asInteger,
  codePointLength,
  HAS_SURROGATE,
  PythonError,
  Sequence,
  typeName,
  type Value,
} from './values.js';

type Method = (text: string, args: readonly Value[], budget: Budget) => Value;

/** The methods of str that a filter may call: the fewest and the most arguments, and what they do. */
export const STRING_METHODS: ReadonlyMap<
  string,
  { readonly min: number; readonly max: number; readonly call: Method }
> = new Map(
  Object.entries({
    startswith: { min: 1, max: 3, call: affix('startswith', (text, part) => text.startsWith(part)) },
    endswith: { min: 1, max: 3, call: affix('endswith', (text, part) => text.endsWith(part)) },
    lower: { min: 0, max: 0, call: (text) => text.toLowerCase() },
    upper: { min: 0, max: 0, call: (text) => text.toUpperCase() },
    strip: { min: 0, max: 1, call: (text, [chars]) => stripEnd(stripStart(text, chars), chars) },
    lstrip: { min: 0, max: 1, call: (text, [chars]) => stripStart(text, chars) },
    rstrip: { min: 0, max: 1, call: (text, [chars]) => stripEnd(text, chars) },
    split: { min: 0, max: 2, call: split },
    replace: { min: 2, max: 3, call: replace },
    find: { min: 1, max: 3, call: find },
    count: { min: 1, max: 3, call: count },
  }),
);

/** The characters that str.isspace() accepts; JavaScript's own set has U+FEFF and lacks U+001C to U+001F and U+0085. */
const WHITESPACE = '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000';
const SPACES = new RegExp(`[${WHITESPACE}]+`, 'u');
const WORDS = new RegExp(`[^${WHITESPACE}]+`, 'gu');

function affix(name: string, matches: (text: string, part: string) => boolean): Method {
  return (text, [parts = null, start = null, end = null], budget) => {
    const options = parts instanceof Sequence && parts.kind === 'tuple' ? parts.items : [parts];
    const range = within(text, start, end, budget);
    return options.some((part) => {
      if (typeof part !== 'string')
        throw new PythonError(
          'TypeError',
          `${name}: first argument must be str or a tuple of str, not ${typeName(part)}`,
        );
      budget.spendText(part);
      return range !== undefined && matches(range.text, part);
    });
  };
}

function stripStart(text: string, chars: Value = null): string {
  const isStripped = stripSet(chars);
  let from = 0;
  for (const character of text) {
    if (!isStripped(character)) break;
    from += character.length;
  }
  return text.slice(from);
}

function stripEnd(text: string, chars: Value = null): string {
  const isStripped = stripSet(chars);
  let to = text.length;
  while (to > 0) {
    const pair = text.codePointAt(to - 2) ?? 0;
    const character = pair > 0xff_ff ? String.fromCodePoint(pair) : text.charAt(to - 1);
    if (!isStripped(character)) break;
    to -= character.length;
  }
  return text.slice(0, to);
}

function stripSet(chars: Value): (character: string) => boolean {
  if (chars === null) return (character) => SPACES.test(character);
  const set = new Set(expectText('strip', chars));
  return (character) => set.has(character);
}

function split(text: string, [separator = null, limit = -1n]: readonly Value[], budget: Budget): Value {
  const most = expectInteger('split', limit);
  budget.spendItems(text.length);
  return new Sequence(
    'list',
    separator === null
      ? splitAtSpaces(text, most)
      : splitAt(text, expectText('split', separator), most < 0 ? Infinity : most),
  );
}

function splitAt(text: string, separator: string, limit: number): string[] {
  if (separator === '') throw new PythonError('ValueError', 'empty separator');
  const parts = text.split(separator);
  return parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

/** Without a separator runs of white space separate, and none is kept at the ends; the last part of a limited split keeps its end. */
function splitAtSpaces(text: string, limit: number): string[] {
  if (limit < 0) return text.match(WORDS) ?? [];
  const parts: string[] = [];
  let rest = stripStart(text);
  while (rest !== '' && parts.length < limit) {
    const space = SPACES.exec(rest);
    if (space === null) break;
    parts.push(rest.slice(0, space.index));
    rest = rest.slice(space.index + space[0].length);
  }
  return rest === '' ? parts : [...parts, rest];
}

function replace(
  text: string,
  [old = null, fresh = null, limit = -1n]: readonly Value[],
  budget: Budget,
): Value {
  const [from, to] = [expectText('replace', old), expectText('replace', fresh)];
  const most = expectInteger('replace', limit);
  const wanted = most < 0 ? Infinity : most;
  if (from === '') {
    const parts = ['', ...budget.codePoints(text), ''];
    const times = Math.min(parts.length - 1, wanted);
    budget.spendCharacters(times * to.length);
    return parts.slice(0, times + 1).join(to) + parts.slice(times + 1).join('');
  }
  const times = Math.min(occurrences(text, from), wanted);
  budget.spendCharacters(text.length + times * (64 + to.length));
  let result = '';
  let at = 0;
  for (let done = 0; done < times; done++) {
    const next = text.indexOf(from, at);
    result += text.slice(at, next) + to;
    at = next + from.length;
  }
  return result + text.slice(at);
}

function find(
  text: string,
  [part = null, start = null, end = null]: readonly Value[],
  budget: Budget,
): Value {
  const needle = expectText('find', part);
  budget.spendText(needle);
  const range = within(text, start, end, budget);
  const unit = range?.text.indexOf(needle) ?? -1;
  if (range === undefined || unit < 0) return -1n;
  return BigInt(range.start + codePointLength(range.text.slice(0, unit)));
}

function count(
  text: string,
  [part = null, start = null, end = null]: readonly Value[],
  budget: Budget,
): Value {
  const needle = expectText('count', part);
  const range = within(text, start, end, budget);
  if (range === undefined) return 0n;
  if (needle === '') return BigInt(codePointLength(range.text) + 1);
  budget.spendText(needle);
  return BigInt(occurrences(range.text, needle));
}

/** How often a text that is not empty occurs, without overlaps. */
function occurrences(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

/** The part of a text from one character to another, as slices count; undefined when it would start behind its end. */
function within(
  text: string,
  start: Value,
  end: Value,
  budget: Budget,
): { readonly text: string; readonly start: number } | undefined {
  if (start === null && end === null) return { text, start: 0 };
  const points = HAS_SURROGATE.test(text) ? budget.codePoints(text) : text;
  const from = position(start, 0, points.length);
  const to = Math.min(position(end, points.length, points.length), points.length);
  if (from > to) return undefined;
  const part = points.slice(from, to);
  return { text: typeof part === 'string' ? part : part.join(''), start: from };
}

function position(value: Value, fallback: number, length: number): number {
  if (value === null) return fallback;
  const index = asInteger(value);
  if (index === undefined) throw new PythonError('TypeError', 'slice indices must be integers or None');
  return index < 0n ? Math.max(0, Number(index) + length) : Number(index);
}

function expectText(method: string, value: Value): string {
  if (typeof value === 'string') return value;
  throw new PythonError('TypeError', `${method}: argument must be str, not ${typeName(value)}`);
}

function expectInteger(method: string, value: Value): number {
  const integer = asInteger(value);
  if (integer === undefined)
    throw new PythonError('TypeError', `${method}: argument must be int, not ${typeName(value)}`);
  return Number(integer);
}
