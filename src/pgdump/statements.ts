/** Part of an SQL script: [start, end) in characters. */
export interface StatementRange {
  readonly start: number;
  readonly end: number;
}

/** What may hold a semicolon without ending a statement. Comments of the second kind nest, see below. */
const OPAQUE = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`\b[eE]'(?:[^'\\]|\\.|'')*'`,
    String.raw`'(?:[^']|'')*'`,
    String.raw`"(?:[^"]|"")*"`,
    String.raw`\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$`,
    String.raw`/\*`,
    ';',
  ].join('|'),
  'gs',
);

/**
 * Finds the statements of an SQL script. Used to name the one that failed, never to run them one by one, so that a mistake
 * here could only garble a message.
 */
export function splitStatements(sql: string): StatementRange[] {
  const ranges: StatementRange[] = [];
  let start = 0;
  const pattern = new RegExp(OPAQUE);
  for (let match = pattern.exec(sql); match; match = pattern.exec(sql)) {
    const [token] = match;
    if (token === ';') {
      push(ranges, sql, start, match.index);
      start = match.index + 1;
    } else if (token.startsWith('$')) {
      const close = sql.indexOf(token, pattern.lastIndex);
      pattern.lastIndex = close === -1 ? sql.length : close + token.length;
    } else if (token === '/*') pattern.lastIndex = endOfComment(sql, match.index);
  }
  push(ranges, sql, start, sql.length);
  return ranges;
}

/** Nothing but blanks and line comments is no statement: the server completes nothing for it. */
function push(ranges: StatementRange[], sql: string, start: number, end: number): void {
  if (
    sql
      .slice(start, end)
      .replace(/--[^\n]*/g, '')
      .trim() !== ''
  )
    ranges.push({ start, end });
}

function endOfComment(sql: string, start: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let match = edge.exec(sql); match; match = edge.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}

/** The text with `***` for what stands between quotes of a value, and between dollar signs. */
export function withoutLiterals(sql: string): string {
  let result = '';
  let kept = 0;
  const pattern = new RegExp(OPAQUE);
  for (let match = pattern.exec(sql); match; match = pattern.exec(sql)) {
    const [token] = match;
    if (token.startsWith('$')) {
      const close = sql.indexOf(token, pattern.lastIndex);
      pattern.lastIndex = close === -1 ? sql.length : close + token.length;
    } else if (token === '/*') {
      pattern.lastIndex = endOfComment(sql, match.index);
      continue;
    } else if (!/^[eE]?'/.test(token)) continue;
    result += `${sql.slice(kept, match.index)}'***'`;
    kept = pattern.lastIndex;
  }
  // One that is not closed goes to the end.
  return result + sql.slice(kept).replace(/'.*/s, "'***");
}
