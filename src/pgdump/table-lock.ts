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
  await waitFor(context, signal, `Somebody else works on the table ${dataSchema}.${table}.`, async () => {
    const { locked } = await session.one<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked',
      [key],
    );
    return locked;
  });
  const mark = restoreMark(dataSchema, table);
  await waitFor(context, signal, `An abandoned restore of ${dataSchema}.${table} does not end.`, async () => {
    const ended = await session.query<{ pid: number }>(
      `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = $1 AND datname = current_database()`,
      [mark],
    );
    for (const { pid } of ended) context.log.warn('ended an abandoned restore', { pid, dataSchema, table });
    return ended.length === 0;
  });
  const result = await work();
  // After a failure the connection is closed instead, see Connections.use.
  await session.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [key]);
  return result;
}

async function waitFor(
  { clock }: DatabaseContext,
  signal: AbortSignal,
  complaint: string,
  done: () => Promise<boolean>,
): Promise<void> {
  const start = clock.now().getTime();
  for (let pauseMs = 20; !(await done()); pauseMs = Math.min(pauseMs * 2, 1_000)) {
    if (clock.now().getTime() - start > WAIT_MS)
      throw new AgentError('locked', complaint, { retry: 'transient' });
    await clock.sleep(pauseMs, signal);
  }
}
