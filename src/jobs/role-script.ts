import { AgentError } from '../lib/errors.js';

/** A part of `slave_roles.sql`: what runs in one database. */
export interface ScriptPart {
  readonly database: string;
  readonly sql: string;
}

const CONNECT = /^\s*\\c(?:onnect)?\s+(?:"((?:[^"]|"")+)"|([^\s";\\]+))\s*;?\s*$/;

/**
 * Splits the script at psql's `\connect <database>` lines, and only there; what stands before the first one belongs to
 * `defaultDatabase`. Any other backslash command at the start of a line needs psql and is refused, as is a database that
 * is not allowed: the whole script then, before its first part runs. Throws AgentError 'invalid-task-file' (final).
 */
export function splitRoleScript(
  text: string,
  options: { readonly defaultDatabase: string; readonly allowed: ReadonlySet<string> },
): ScriptPart[] {
  const parts: { database: string; lines: string[] }[] = [{ database: options.defaultDatabase, lines: [] }];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const connect = CONNECT.exec(line);
    if (connect) parts.push({ database: connect[1]?.replaceAll('""', '"') ?? connect[2] ?? '', lines: [] });
    else if (/^\s*\\/.test(line)) throw refused(`line ${index + 1} is a psql command other than \\connect`);
    else parts.at(-1)?.lines.push(line);
  }
  const filled = parts
    .map(({ database, lines }) => ({ database, sql: lines.join('\n') }))
    .filter(({ sql }) => hasStatement(sql));
  for (const { database } of filled)
    if (!options.allowed.has(database))
      throw refused(
        `it connects to the database ${JSON.stringify(database)}, which is not among those allowed: ${[...options.allowed].join(', ')}`,
        'AUTH_DATABASES names further databases.',
      );
  return filled;
}

/** False for a part of nothing but comments and white space. */
function hasStatement(sql: string): boolean {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').trim() !== '';
}

function refused(problem: string, hint?: string): AgentError {
  return new AgentError('invalid-task-file', `slave_roles.sql: ${problem}`, {
    retry: 'final',
    ...(hint === undefined ? {} : { hint }),
  });
}
