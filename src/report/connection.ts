import pg from 'pg';
import { Sockets } from '../lib/sockets.js';
import { unlessAborted } from '../lib/unless-aborted.js';
import type { MasterSettings } from './types.js';

const CONNECT_MS = 4_000;
const STATEMENT_MS = 4_000;
/** A row that somebody else holds is left for the next time, before it holds up the others. */
const LOCK_MS = 500;
/** So long the server may take to answer our good-bye. */
const CLOSE_MS = 1_000;

/** One connection to the master's database. Whatever is under way ends when the signal fires, and so does the connection. */
export class MasterConnection {
  readonly #client: pg.Client;
  readonly #sockets = new Sockets();

  private constructor(settings: MasterSettings) {
    // Every field is given, so that no PG* variable of this process has a say (PGSSL* excepted).
    this.#client = new pg.Client({
      host: settings.host,
      port: settings.port,
      database: settings.database,
      user: settings.user,
      ...(settings.password === undefined ? {} : { password: settings.password.reveal() }),
      application_name: 'slave-sync report',
      stream: () => this.#sockets.make(),
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: STATEMENT_MS,
      lock_timeout: LOCK_MS,
      // For a server that does not answer at all.
      query_timeout: STATEMENT_MS + 1_000,
    });
    // Without a listener, a server that goes away between two statements would end the process.
    this.#client.on('error', () => undefined);
  }

  /** Throws what `pg` throws, and the signal's reason when it fires. */
  static async open(settings: MasterSettings, signal: AbortSignal): Promise<MasterConnection> {
    const connection = new MasterConnection(settings);
    await connection.#until(connection.#client.connect(), signal);
    return connection;
  }

  async query<T>(sql: string, params: readonly unknown[], signal: AbortSignal): Promise<T[]> {
    const result = await this.#until(this.#client.query(sql, [...params]), signal);
    return result.rows as T[];
  }

  async end(): Promise<void> {
    this.#sockets.cutOffAfter(CLOSE_MS);
    await this.#client.end().catch(() => undefined);
  }

  #until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    return unlessAborted(work, signal, () => {
      void this.end();
      return signal.reason as Error;
    });
  }
}

/**
 * True when the server has understood the statement and does not take it: the next one may be fine. False when there is
 * no talking to it now: no connection, a restart, no memory or disk, a standby that only reads.
 */
export function isRefusal(error: unknown): error is pg.DatabaseError {
  if (!(error instanceof pg.DatabaseError)) return false;
  const code = error.code ?? '';
  return !['08', '53', '57P'].some((group) => code.startsWith(group)) && code !== '25006';
}
