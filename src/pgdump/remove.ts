import type { Change, DatabaseContext } from './context.js';
import { withLockRetries } from './lock-retry.js';
import { checkAddress, isReservedSchema, type TableAddress } from './names.js';
import { useInstalled } from './sql/install.js';
import { withTableLock } from './table-lock.js';

/**
 * Removes the access view, former ones of other schemas, and the table in one transaction. A view of that name that does not
 * read the table is left alone, and so is everything in a reserved schema. Throws a remote AgentError 'conflict' that names
 * what others built on it; then everything stays.
 */
export async function removeTable(
  context: DatabaseContext,
  address: TableAddress,
  signal: AbortSignal,
): Promise<Change> {
  const { schema, dataSchema, outdatedSchema, table } = address;
  // Its publication was refused: what lies there is somebody else's, and the withdrawal of the task file has to end well.
  if ([schema, dataSchema, outdatedSchema].some(isReservedSchema)) return 'unchanged';
  checkAddress(address);
  return useInstalled(context, signal, async (session) => {
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
