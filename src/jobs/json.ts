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

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}:,]/gs;

function checkDepth(source: string): void {
  let depth = 0;
  for (const [token] of source.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth > MAX_DEPTH) throw new Error(`it is deeper than ${MAX_DEPTH} levels`);
  }
}

/** Of a document that JSON.parse takes: a string before a colon is a key. */
function checkKeys(source: string): void {
  const objects: Set<string>[] = [];
  let last = '';
  for (const [token] of source.matchAll(TOKEN)) {
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
