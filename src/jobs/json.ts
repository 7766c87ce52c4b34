/** Nothing real is deeper; what reads the value may recurse. */
const MAX_DEPTH = 100;

/**
 * Parses a JSON document. Besides what JSON.parse refuses: a key that an object has twice, since readers differ about which
 * one counts (RFC 8259, section 4), and more than 100 levels. Keys named `__proto__` are left out. Throws Error.
 */
export function parseJson(source: string): unknown {
  checkDepth(source);
  const value: unknown = JSON.parse(source, (key, inner: unknown) =>
    key === '__proto__' ? undefined : inner,
  );
  checkKeys(source);
  return value;
}

/** Strings and signs, in order. Not by one regular expression: a long string would overflow its stack. */
function* tokensOf(source: string): Generator<string> {
  const start = /["[\]{}:,]/g;
  for (let found = start.exec(source); found !== null; found = start.exec(source)) {
    if (found[0] !== '"') {
      yield found[0];
      continue;
    }
    start.lastIndex = endOfString(source, found.index + 1);
    yield source.slice(found.index, start.lastIndex);
  }
}

/** Where the string ends whose first character is at `from`: after the first quote that is not escaped. */
function endOfString(source: string, from: number): number {
  for (let quote = source.indexOf('"', from); quote >= 0; quote = source.indexOf('"', quote + 1)) {
    let escapes = 0;
    while (source[quote - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return quote + 1;
  }
  return source.length;
}

function checkDepth(source: string): void {
  let depth = 0;
  for (const token of tokensOf(source)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth > MAX_DEPTH) throw new Error(`it is deeper than ${MAX_DEPTH} levels`);
  }
}

/** Of a document that JSON.parse takes: a string before a colon is a key. */
function checkKeys(source: string): void {
  const objects: Set<string>[] = [];
  let last = '';
  for (const token of tokensOf(source)) {
    if (token === '{' || token === '[') objects.push(new Set());
    else if (token === '}' || token === ']') objects.pop();
    else if (token === ':') {
      const key = JSON.parse(last) as string;
      const keys = objects.at(-1);
      if (keys?.has(key)) throw new Error(`it has the key ${JSON.stringify(key.slice(0, 100))} twice`);
      keys?.add(key);
    }
    last = token;
  }
}
