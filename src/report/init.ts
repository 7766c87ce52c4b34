import pg from 'pg';
import { AgentError } from '../lib/errors.js';
import { MasterConnection } from './connection.js';
import { describe } from './describe.js';
import { createTable, TABLES, type Table } from './tables.js';
import type { MasterSettings } from './types.js';

/**
 * Makes what is missing of the master's schema and its three tables, for a team without borgcollector. What is there
 * stays as it is, and needs no right to make it. Returns the names of the tables it made.
 * Throws AgentError 'database' or 'connection'.
 */
export async function initMaster(settings: MasterSettings, signal: AbortSignal): Promise<Table[]> {
  let connection: MasterConnection | undefined;
  try {
    connection = await MasterConnection.open(settings, signal);
    const { schema } = settings;
    // Asked first, since IF NOT EXISTS wants the right to create even where there is nothing to create.
    const schemas = await connection.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema], signal);
    if (schemas.length === 0)
      await connection.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`, [], signal);
    const made: Table[] = [];
    for (const table of TABLES) {
      const sql = 'SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2';
      if ((await connection.query(sql, [schema, table], signal)).length > 0) continue;
      await connection.query(createTable(schema, table), [], signal);
      made.push(table);
    }
    return made;
  } catch (error) {
    if (signal.aborted) throw error;
    const isSql = error instanceof pg.DatabaseError;
    throw new AgentError(isSql ? 'database' : 'connection', `the master's database: ${describe(error)}`, {
      retry: 'remote',
      cause: error,
      hint: 'Check MASTER_PGSQL_*, and that the user may create tables in that schema.',
    });
  } finally {
    await connection?.end();
  }
}
