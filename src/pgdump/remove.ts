import type { Change, DatabaseContext } from './context.js';
import { withLockRetries } from './lock-retry.js';
import { checkAddress, type TableAddress } from './names.js';
import { ensureInstalled } from './sql/install.js';
import { withTableLock } from './table-lock.js';

/**
 * Removes access view and table in one transaction. A view of that name that does not read the table is left alone.
 * Throws a remote AgentError 'conflict' that names what others built on it; then everything stays.
 */
export async function removeTable(
  context: DatabaseContext,
  address: TableAddress,
  signal: AbortSignal,
): Promise<Change> {
  checkAddress(address);
  const { schema, dataSchema, outdatedSchema, table } = address;
  return context.connections.use(signal, async (session) => {
    await ensureInstalled(session);
    return withTableLock(context, session, address, signal, async () => {
      const options = {
        address,
        limitMs: context.lockWaitMs,
        clock: context.clock,
        log: context.log,
        signal,
      };
      const { warnings } = await withLockRetries(session, options, (lockMs) =>
        session.one<{ warnings: string[] | null }>(
          'SELECT borg_slave.remove($1, $2, $3, $4, $5) AS warnings',
          [schema, dataSchema, outdatedSchema, table, lockMs],
          { doing: `Removing ${dataSchema}.${table}` },
        ),
      );
      for (const warning of warnings ?? []) context.log.warn(warning, { dataSchema, table });
      return warnings === null ? 'unchanged' : 'updated';
    });
  });
}
