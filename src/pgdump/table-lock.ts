import { AgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';
import type { TableAddress } from './names.js';
import { restoreMark } from './restore.js';

const WAIT_MS = 30_000;

/**
 * Runs `work` while this session alone works on the table, after ending a restore that a killed agent left running.
 * The lock is the session's: it goes with the connection, however that ends.
 */
export async function withTableLock<T>(
  context: DatabaseContext,
  session: Session,
  { dataSchema, table }: Pick<TableAddress, 'dataSchema' | 'table'>,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const key = JSON.stringify(['borg table', dataSchema, table]);
  const mark = restoreMark(dataSchema, table);
  let isLocked = false;
  const complaint = (): string =>
    isLocked
      ? `An abandoned restore of ${dataSchema}.${table} does not end.`
      : `Somebody else works on the table ${dataSchema}.${table}.`;
  await waitFor(context, signal, complaint, async () => {
    // Restores are ended only by who has the lock; in the list of results, so that it is for rows of this database alone.
    const { locked, ended } = await session.one<{ locked: boolean; ended: number[] }>(
      `WITH lock AS MATERIALIZED (SELECT $3 OR pg_try_advisory_lock(hashtextextended($1, 0)) AS locked)
       SELECT locked, ARRAY(SELECT CASE WHEN pg_terminate_backend(pid) THEN pid ELSE pid END FROM pg_stat_activity
                             WHERE locked AND application_name = $2 AND datname = current_database()) AS ended
         FROM lock`,
      [key, mark, isLocked],
    );
    isLocked = locked;
    for (const pid of ended) context.log.warn('ended an abandoned restore', { pid, dataSchema, table });
    return locked && ended.length === 0;
  });
  const result = await work();
  // After a failure the connection is closed instead, see Connections.use.
  await session.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [key]);
  return result;
}

async function waitFor(
  { clock }: DatabaseContext,
  signal: AbortSignal,
  complaint: () => string,
  done: () => Promise<boolean>,
): Promise<void> {
  const start = clock.now().getTime();
  for (let pauseMs = 20; !(await done()); pauseMs = Math.min(pauseMs * 2, 1_000)) {
    if (clock.now().getTime() - start > WAIT_MS)
      throw new AgentError('locked', complaint(), { retry: 'transient' });
    await clock.sleep(pauseMs, signal);
  }
}
