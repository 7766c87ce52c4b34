import { Dict, PySet, Sequence, type Value } from './values.js';

const MAX_LENGTH = 200;

/** The value as Python would print it, cut after 200 characters; for people, not for programs. */
export function repr(value: Value): string {
  const text = write(value, 4);
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH)}…`;
}

function write(value: Value, depth: number): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' && Number.isInteger(value)) return `${value}.0`;
  if (typeof value === 'string') return quote(value.slice(0, MAX_LENGTH));
  if (typeof value !== 'object') return value.toString();
  if (depth === 0) return '…';
  const each = (items: Iterable<Value>): string =>
    Array.from(items, (item) => write(item, depth - 1)).join(', ');
  if (value instanceof PySet) return `{${each(value.items.values())}}`;
  if (value instanceof Dict)
    return `{${Array.from(value.entries.values(), (entry) => `${write(entry.key, depth - 1)}: ${write(entry.value, depth - 1)}`).join(', ')}}`;
  if (value instanceof Sequence && value.kind === 'list') return `[${each(value.items)}]`;
  return value.items.length === 1 ? `(${each(value.items)},)` : `(${each(value.items)})`;
}

function quote(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return text.includes("'") && !text.includes('"') ? `"${inner}"` : `'${inner.replaceAll("'", "\\'")}'`;
}
