import pg from 'pg';
import { AgentError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { Secret } from '../lib/secret.js';
import { Sockets } from '../lib/sockets.js';
import { unlessAborted } from '../lib/unless-aborted.js';
import { toDatabaseError } from './errors.js';

/** How a PostgreSQL database is reached. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret | undefined;
}

export interface QueryOptions {
  /** Milliseconds after which the statement is cancelled; 60 s unless said otherwise. */
  readonly timeoutMs?: number;
  /** What the statement does, for the error message: "Swapping tables". */
  readonly doing?: string;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** A cancelled statement that has not ended after this time loses its connection. */
const CANCEL_GRACE_MS = 3_000;
/** So long the server may take to answer our good-bye. */
export const CLOSE_MS = 2_000;

/** One connection, for as long as `Connections.use` lends it. */
export class Session {
  readonly #client: pg.ClientBase;
  readonly #signal: AbortSignal;
  readonly #drop: (client: pg.ClientBase) => Promise<void>;

  constructor(client: pg.ClientBase, signal: AbortSignal, drop: (client: pg.ClientBase) => Promise<void>) {
    this.#client = client;
    this.#signal = signal;
    this.#drop = drop;
  }

  /**
   * Runs one statement and returns its rows. A text with several is refused by the server, whatever it was made from.
   * When the signal fires or the time is over, the statement is cancelled in the server as well.
   * Throws AgentError: 'cancelled', 'timed-out', 'connection', 'database', 'conflict', ...
   */
  async query<T>(sql: string, params: readonly unknown[] = [], options: QueryOptions = {}): Promise<T[]> {
    const config = { text: sql, values: [...params], queryMode: 'extended' };
    return this.#run(async () => (await this.#client.query<T & pg.QueryResultRow>(config)).rows, options);
  }

  /** Runs several statements as one message, and so as one transaction, unless they say otherwise themselves. */
  async script(sql: string, options: QueryOptions = {}): Promise<void> {
    await this.#run(() => this.#client.query(sql), options);
  }

  async #run<T>(work: () => Promise<T>, options: QueryOptions): Promise<T> {
    const doing = options.doing ?? 'Querying the database';
    const limit = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    if (this.#signal.aborted) throw cancelled(doing);
    let why: 'cancelled' | 'timed-out' | undefined;
    const stop = (reason: 'cancelled' | 'timed-out') => () => {
      why ??= reason;
      void this.#drop(this.#client);
    };
    const onAbort = stop('cancelled');
    const timer = setTimeout(stop('timed-out'), limit);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await work();
    } catch (error) {
      if (why === 'cancelled') throw cancelled(doing);
      if (why === 'timed-out')
        throw new AgentError('timed-out', `${doing} took longer than ${limit} ms`, {
          retry: 'transient',
          cause: error,
        });
      throw toDatabaseError(error, doing);
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  /** Like `query`, for statements that give exactly one row. */
  async one<T>(sql: string, params: readonly unknown[] = [], options: QueryOptions = {}): Promise<T> {
    const [row] = await this.query<T>(sql, params, options);
    if (row === undefined)
      throw new AgentError('bug', `no row from: ${sql.slice(0, 200)}`, { retry: 'transient' });
    return row;
  }

  /** Runs `work` between BEGIN and COMMIT; any failure rolls back. */
  async transaction<T>(mode: 'READ WRITE' | 'READ ONLY', work: () => Promise<T>): Promise<T> {
    await this.query(`BEGIN ${mode}`);
    try {
      const result = await work();
      await this.query('COMMIT');
      return result;
    } catch (error) {
      await this.#rollback();
      throw error;
    }
  }

  /** Also when the signal has fired; a server that does not answer undoes it when the connection is closed, which follows. */
  async #rollback(): Promise<void> {
    const timer = setTimeout(() => void endNow(this.#client), CANCEL_GRACE_MS);
    await this.#client.query('ROLLBACK').catch(() => undefined);
    clearTimeout(timer);
  }
}

/** A small pool of connections to one database. */
export class Connections {
  readonly #pool: pg.Pool;
  readonly #config: pg.ClientConfig;
  readonly #sockets = new Sockets();

  constructor(settings: ConnectionSettings, options: { readonly max: number; readonly log: Logger }) {
    const config = { ...clientConfig(settings), stream: () => this.#sockets.make() };
    this.#config = config;
    this.#pool = new pg.Pool({
      // The pool would take the time limit for connecting as one for waiting until others give a connection back, too.
      Client: class extends pg.Client {
        constructor() {
          super(config);
          // From the beginning: a server may end a session in the moment in which it is lent, when the pool no longer
          // listens and the borrower not yet.
          this.on('error', () => undefined); // The query that was running reports it.
        }
      },
      max: options.max,
      idleTimeoutMillis: 30_000,
    });
    // A server that restarts ends idle connections; the pool replaces them, so this is no failure of anybody's.
    this.#pool.on('error', (error) =>
      options.log.debug('idle database connection lost', { error: error.message }),
    );
  }

  /** Lends a connection to `work`. One whose work was cut off is closed, not reused. */
  async use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    if (signal.aborted) throw cancelled('Connecting to the database');
    const client = await abortable(this.#pool.connect(), signal, (late) => late.release());
    const state = { reusable: false, dropped: false };
    const drop = async (broken: pg.ClientBase): Promise<void> => {
      state.dropped = true;
      await cancelQuery(broken, this.#config);
    };
    try {
      const result = await work(new Session(client, signal, drop));
      state.reusable = true;
      return result;
    } catch (error) {
      if (hasAborted(signal) && !(error instanceof AgentError)) throw cancelled('Working on the database');
      // After a plain SQL error the connection is fine, but locks of the session would stay with it.
      throw toDatabaseError(error, 'Working on the database');
    } finally {
      client.release(state.dropped || !state.reusable);
    }
  }

  async close(): Promise<void> {
    this.#sockets.cutOffAfter(CLOSE_MS);
    if (!this.#pool.ended) await this.#pool.end();
  }
}

/** Asks the server to cancel what the connection is doing; when that does not help, closes the connection. */
export async function cancelQuery(client: pg.ClientBase, config: pg.ClientConfig): Promise<void> {
  const forced = setTimeout(() => void endNow(client), CANCEL_GRACE_MS);
  forced.unref();
  const helper = new pg.Client({ ...config, connectionTimeoutMillis: CANCEL_GRACE_MS });
  helper.on('error', () => undefined);
  try {
    await helper.connect();
    await helper.query('SELECT pg_cancel_backend($1)', [processIdOf(client)]);
  } catch {
    await endNow(client);
  } finally {
    await helper.end().catch(() => undefined);
  }
}

/** Every field is given, so that no PG* variable of this process has a say (PGSSL* excepted). */
export function clientConfig(settings: ConnectionSettings): pg.ClientConfig {
  return {
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    ...(settings.password === undefined ? {} : { password: settings.password.reveal() }),
    application_name: 'slave-sync',
    options: '-c client_min_messages=warning',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/** Waits for a connection no longer than the signal allows; one that comes later goes to `giveBack`. */
export function abortable<T>(
  connecting: Promise<T>,
  signal: AbortSignal,
  giveBack: (late: T) => void,
): Promise<T> {
  const doing = 'Connecting to the database';
  const stop = (): AgentError => {
    connecting.then(giveBack, () => undefined);
    return cancelled(doing);
  };
  return unlessAborted(connecting, signal, stop).catch((error: unknown) => {
    throw toDatabaseError(error, doing);
  });
}

/** A function, since the compiler takes the signal for as it was before the wait. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function cancelled(doing: string): AgentError {
  return new AgentError('cancelled', `${doing} was stopped`, { retry: 'transient' });
}

/** `end` closes the socket at once when a query is running. */
async function endNow(client: pg.ClientBase): Promise<void> {
  if (client instanceof pg.Client) await client.end().catch((error: unknown) => messageOf(error));
}

function processIdOf(client: pg.ClientBase): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null;
}
