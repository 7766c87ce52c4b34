import { Dict, PySet, type Value } from './values.js';

const MAX_LENGTH = 200;
const MAX_ITEMS = 20;

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
  const each = <T>(items: Iterable<T>, writeItem: (item: T) => string): string => {
    const all = [...items];
    const shown = all.slice(0, MAX_ITEMS).map(writeItem);
    return [...shown, ...(all.length > MAX_ITEMS ? ['…'] : [])].join(', ');
  };
  const inner = (item: Value): string => write(item, depth - 1);
  if (value instanceof Dict)
    return `{${each(value.entries.values(), (entry) => `${inner(entry.key)}: ${inner(entry.value)}`)}}`;
  if (value instanceof PySet) return `{${each(value.items.values(), inner)}}`;
  if (value.kind === 'list') return `[${each(value.items, inner)}]`;
  return value.items.length === 1 ? `(${each(value.items, inner)},)` : `(${each(value.items, inner)})`;
}

function quote(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return text.includes("'") && !text.includes('"') ? `"${inner}"` : `'${inner.replaceAll("'", "\\'")}'`;
}
