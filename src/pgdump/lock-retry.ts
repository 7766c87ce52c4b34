import { AgentError } from '../lib/errors.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import type { Session } from './connections.js';
import { isLockFailure } from './errors.js';
import type { TableAddress } from './names.js';

const FIRST_TIMEOUT_MS = 50;
const GROWTH = 1.6;
/** More than deadlock_timeout (1 s): only then does an autovacuum of the table give way. */
const LONGEST_TIMEOUT_MS = 3_000;

export interface LockRetryOptions {
  readonly address: TableAddress;
  /** Milliseconds after which it gives up. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** In [0, 1); for tests. */
  readonly random?: () => number;
}

/**
 * Tries `attempt` with a short lock timeout and, while others hold the table, again with longer ones. Between the tries
 * readers get through: whoever waits for an exclusive lock holds up everybody behind it. A fixed short timeout would never
 * get through behind readers without gaps.
 * Throws a transient AgentError that names the blocking sessions when the limit is over.
 */
export async function withLockRetries<T>(
  session: Session,
  options: LockRetryOptions,
  attempt: (lockMs: number) => Promise<T>,
): Promise<T> {
  const start = options.clock.now().getTime();
  const random = options.random ?? Math.random;
  for (let lockMs = FIRST_TIMEOUT_MS; ; lockMs = Math.min(lockMs * GROWTH, LONGEST_TIMEOUT_MS)) {
    try {
      return await attempt(Math.round(lockMs));
    } catch (error) {
      if (!isLockFailure(error)) throw error;
      const waitedMs = options.clock.now().getTime() - start;
      if (waitedMs >= options.limitMs) throw await blocked(session, options, waitedMs, error);
      if (lockMs >= 500) options.log.debug('table is busy', { table: options.address.table, waitedMs });
    }
    await options.clock.sleep(lockMs * (1 + random()), options.signal);
  }
}

interface Blocker {
  readonly pid: number;
  readonly usename: string;
  readonly state: string;
  readonly seconds: number;
  readonly query: string;
}

async function blocked(
  session: Session,
  options: LockRetryOptions,
  waitedMs: number,
  cause: unknown,
): Promise<AgentError> {
  const { schema, dataSchema, outdatedSchema, table } = options.address;
  const blockers = await session.query<Blocker>(
    `SELECT DISTINCT a.pid, a.usename, a.state, left(regexp_replace(a.query, '\\s+', ' ', 'g'), 120) AS query,
            round(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)))::int AS seconds
       FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN (borg_slave.relation($1, $4), borg_slave.relation($2, $4), borg_slave.relation($3, $4))
      ORDER BY seconds DESC LIMIT 5`,
    [schema, dataSchema, outdatedSchema, table],
  );
  const who = blockers.map((b) => `pid ${b.pid} of ${b.usename} (${b.state} for ${b.seconds} s: ${b.query})`);
  return new AgentError(
    'locked',
    `The table ${dataSchema}.${table} was busy for ${Math.round(waitedMs / 1000)} s` +
      (who.length === 0 ? '; nobody holds it just now.' : `: ${who.join('; ')}.`),
    {
      retry: 'transient',
      hint: 'End these sessions, or wait for them; the old rows are served meanwhile.',
      cause,
    },
  );
}
