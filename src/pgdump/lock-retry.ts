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

interface Holder {
  readonly pid: number;
  readonly who: string;
  readonly state: string | null;
  readonly seconds: number | null;
  readonly query: string;
  readonly relations: readonly string[];
}

async function blocked(
  session: Session,
  { address }: LockRetryOptions,
  waitedMs: number,
  cause: unknown,
): Promise<AgentError> {
  const { schema, dataSchema, outdatedSchema, table } = address;
  const holders = await session.query<Holder>('SELECT * FROM borg_slave.lock_holders($1, $2, $3, $4)', [
    ...[schema, dataSchema, outdatedSchema, table],
  ]);
  return new AgentError(
    'locked',
    `The table ${dataSchema}.${table}, or what depends on it, was busy for ${Math.round(waitedMs / 1000)} s` +
      (holders.length === 0 ? '; nobody holds it just now.' : `: ${holders.map(describe).join('; ')}.`),
    {
      retry: 'transient',
      hint: 'End these sessions, or wait for them; the old rows are served meanwhile.',
      cause,
    },
  );
}

function describe({ pid, who, state, seconds, query, relations }: Holder): string {
  const since = seconds === null ? '' : ` for ${seconds} s`;
  return `pid ${pid} of ${who} (${state ?? 'in a state unknown'}${since}, holds ${relations.join(', ')}: ${query})`;
}
