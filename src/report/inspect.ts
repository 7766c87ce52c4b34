import type { Clock } from '../lib/clock.js';
import { AgentError } from '../lib/errors.js';
import { MasterConnection } from './connection.js';
import { describe } from './describe.js';
import { TABLES, type Table } from './tables.js';
import type { MasterSettings } from './types.js';

export interface MasterFacts {
  /** Monitor tables that do not exist. */
  readonly missing: readonly Table[];
  /** Monitor tables whose rows this slave may not read, add, change and delete. */
  readonly denied: readonly Table[];
  /** How far the master's clock is ahead of this machine's, in milliseconds; behind: negative. */
  readonly clockAheadMs: number;
}

/** By oid, since a table in a schema that one may not use cannot be named. Row numbers come from a sequence with rights of its own. */
const LOOK = /* sql */ `
SELECT c.relname AS "table",
       has_schema_privilege(n.oid, 'USAGE')
         AND (SELECT bool_and(has_table_privilege(c.oid, p)) FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) p)
         AND (SELECT coalesce(bool_and(has_sequence_privilege(s.oid, 'USAGE')), true)
                FROM (SELECT oid FROM pg_class WHERE relkind = 'S' OFFSET 0) s JOIN pg_depend d ON d.objid = s.oid
               WHERE d.refobjid = c.oid AND d.deptype IN ('a', 'i')) AS granted
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = ANY ($2)`;

/** Asks the master's database whether reports can be delivered; changes nothing. Throws AgentError 'connection'. */
export async function inspectMaster(
  settings: MasterSettings,
  clock: Clock,
  signal: AbortSignal,
): Promise<MasterFacts> {
  let connection: MasterConnection | undefined;
  try {
    connection = await MasterConnection.open(settings, signal);
    const before = clock.now().getTime();
    const [time] = await connection.query<{ now: Date }>('SELECT clock_timestamp() AS now', [], signal);
    const here = (before + clock.now().getTime()) / 2;
    const found = await connection.query<{ table: string; granted: boolean }>(
      LOOK,
      [settings.schema, TABLES],
      signal,
    );
    const granted = new Map(found.map((row) => [row.table, row.granted]));
    return {
      missing: TABLES.filter((table) => !granted.has(table)),
      denied: TABLES.filter((table) => granted.get(table) === false),
      clockAheadMs: Math.round((time?.now.getTime() ?? here) - here),
    };
  } catch (error) {
    if (signal.aborted) throw error;
    throw new AgentError('connection', `the master's database: ${describe(error)}`, {
      retry: 'remote',
      cause: error,
      hint: 'Check MASTER_PGSQL_*. Until it can be reached, reports wait in the record.',
    });
  } finally {
    await connection?.end();
  }
}
