import { BudgetError } from './budget.js';
import type { Value } from './values.js';

const MAX_DIGITS = 1_000;
const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The value of a Python 3 number literal; undefined for what is none (`0777`, `1j`). */
export function readNumber(text: string): Value | undefined {
  if (text.length > MAX_DIGITS) throw new BudgetError(`has a number of more than ${MAX_DIGITS} digits`);
  const plain = text.replaceAll('_', '');
  // Python allows single underscores between digits only.
  if (/^_|__|_$|_[.eE]|[.eE]_/.test(text)) return undefined;
  if (/^(?:0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|0+|[1-9]\d*)$/.test(plain)) return BigInt(plain);
  if (/^(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?$/.test(plain)) return Number(plain);
  return undefined;
}

/** The value of a Python 3 string literal with its quotes and prefix, or what is wrong with it. */
export function readString(literal: string): { readonly value: string } | { readonly reason: string } {
  const match = /^([a-zA-Z]*)("""|'''|"|')([\s\S]*)\2$/.exec(literal);
  if (match === null) return { reason: 'the string has no end' };
  const [, prefix = '', quotes = '', body = ''] = match;
  if (!/^[uUrR]?$/.test(prefix)) return { reason: `strings with the prefix ${prefix} are not supported` };
  if (quotes.length === 1 && /(?<!\\)(?:\\\\)*\n/.test(body)) return { reason: 'the string has no end' };
  if (/^r$/i.test(prefix)) return { value: body };
  let reason: string | undefined;
  const value = body.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (all: string, x?: string, u?: string, long?: string, octal?: string, other?: string) => {
      const hex = x ?? u ?? long;
      const code =
        hex === undefined ? (octal === undefined ? undefined : parseInt(octal, 8)) : parseInt(hex, 16);
      if (code !== undefined && code <= 0x10_ff_ff) return String.fromCodePoint(code);
      if (code !== undefined || /^[xuUN]$/.test(other ?? '')) {
        reason = `the escape ${all} is not supported`;
        return '';
      }
      // An escape that Python does not know stands for itself.
      return ESCAPES[other ?? ''] ?? all;
    },
  );
  return reason === undefined ? { value } : { reason };
}
