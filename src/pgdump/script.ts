import { EventEmitter } from 'node:events';
import pg from 'pg';
import { AgentError } from '../lib/errors.js';
import type { Secret } from '../lib/secret.js';
import { Sockets } from '../lib/sockets.js';
import {
  abortable,
  cancelQuery,
  clientConfig,
  CLOSE_MS,
  Session,
  type ConnectionSettings,
} from './connections.js';
import type { DatabaseContext } from './context.js';
import { splitStatements, withoutLiterals } from './statements.js';

export interface ScriptRequest {
  readonly sql: string;
  /** Another database of the same server. */
  readonly database?: string;
  /** Instead of the user of the settings. */
  readonly credentials?: { readonly user: string; readonly password: Secret | undefined };
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const LOCK_TIMEOUT = '30s';

/**
 * Runs a script as one multi-statement message on a connection of its own, so that it is one transaction unless it says
 * otherwise itself. Throws AgentError; for a failing statement its message holds the statement, without what its quotes
 * hold (it may be a password), and its number.
 */
export async function runScript(
  context: DatabaseContext,
  request: ScriptRequest,
  signal: AbortSignal,
): Promise<void> {
  const settings: ConnectionSettings = {
    ...context.settings,
    ...(request.database === undefined ? {} : { database: request.database }),
    ...request.credentials,
  };
  const sockets = new Sockets();
  const client = new pg.Client({ ...clientConfig(settings), stream: () => sockets.make() });
  client.on('error', () => undefined); // The query reports it.
  const completed = countCompleted(client);
  const session = new Session(client, signal, () => cancelQuery(client, clientConfig(settings)));
  const doing = `Running a script in database ${settings.database}`;
  try {
    await abortable(client.connect(), signal, () => undefined);
    await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
    const before = completed();
    try {
      await session.script(request.sql, { timeoutMs: request.timeoutMs ?? DEFAULT_TIMEOUT_MS, doing });
    } catch (error) {
      throw error instanceof AgentError ? naming(error, request.sql, completed() - before) : error;
    }
  } finally {
    sockets.cutOffAfter(CLOSE_MS);
    await client.end().catch(() => undefined);
  }
}

/** `pg` does not say how many statements of a message were done before one failed; its connection does. */
function countCompleted(client: pg.Client): () => number {
  let count = 0;
  const connection: unknown = 'connection' in client ? client.connection : undefined;
  if (connection instanceof EventEmitter) connection.on('commandComplete', () => count++);
  return () => count;
}

function naming(error: AgentError, sql: string, completed: number): AgentError {
  if (!(error.cause instanceof pg.DatabaseError)) return error;
  const statements = splitStatements(sql);
  const position = Number(error.cause.position ?? Number.NaN) - 1;
  const at = statements.findIndex(({ start, end }) => position >= start && position < end);
  const index = at === -1 ? completed : at;
  const statement = statements[index];
  if (!statement) return error;
  const text = withoutLiterals(sql.slice(statement.start, statement.end)).replace(/\s+/g, ' ').trim();
  const words = error.message.replace(/(at or near )"'.*"/s, `$1"'***'"`);
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return new AgentError(
    error.reason,
    `${words}, in statement ${index + 1} of ${statements.length}: ${short}`,
    {
      retry: error.retry,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error.cause,
    },
  );
}
