import { rename, rm } from 'node:fs/promises';
import pg from 'pg';
import { AgentError } from '../lib/errors.js';
import { run } from '../lib/process.js';
import { checkDumpable } from './dumpable.js';
import { toDatabaseError } from './errors.js';
import { inspectDump, type DumpInfo } from './inspect.js';
import { checkName } from './names.js';
import { findDumpTool } from './tools.js';

export interface DumpRequest {
  readonly schema: string;
  readonly table: string;
  /** Where the dump goes; replaced only when everything went well. */
  readonly file: string;
  /** The usual PG* variables say which database: PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

export interface DumpResult {
  readonly info: DumpInfo;
  /** What a slave will do differently: foreign keys to tables it may lack, statistics that are not dumped. */
  readonly notes: readonly string[];
}

const DEFAULT_TIMEOUT_MS = 4 * 3_600_000;

/**
 * The master's side: dumps one table in pg_dump's custom format with light compression, which a slave restores fastest.
 * Throws a final AgentError for what a dump of a single table can't hold: views, partitioned tables, types, functions of the
 * user's own; and for names that do not exist.
 */
export async function dumpTable(request: DumpRequest, signal: AbortSignal): Promise<DumpResult> {
  const { schema, table, file, env } = request;
  checkName(schema, 'schema');
  checkName(table, 'table name');
  signal.throwIfAborted();
  const { notes, serverMajor } = await look(request);
  const tool = await findDumpTool(serverMajor, { pgBinDir: env['PG_BIN_DIR'] });
  const partial = `${file}.part`;
  try {
    await run(
      tool.path,
      [
        ...['--format=custom', '--compress=1', '--no-password', '--no-owner', '--no-privileges'],
        ...[`--table=${pattern(schema)}.${pattern(table)}`, `--file=${partial}`],
      ],
      { env, signal, timeoutMs: request.timeoutMs ?? DEFAULT_TIMEOUT_MS },
    );
    const info = await inspectDump(partial, { dataSchema: schema, table });
    await rename(partial, file);
    return { info, notes };
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** pg_dump takes patterns; inside double quotes nothing but the double quote itself has a meaning. */
function pattern(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

async function look(request: DumpRequest): Promise<{ notes: string[]; serverMajor: number }> {
  const client = new pg.Client(configOf(request.env));
  client.on('error', () => undefined); // The query reports it.
  try {
    await client.connect();
    const { rows } = await client.query<{ number: string }>(
      `SELECT current_setting('server_version_num') AS number`,
    );
    const notes = await checkDumpable(client, request.schema, request.table);
    return { notes, serverMajor: Math.floor(Number(rows[0]?.number) / 10_000) };
  } catch (error) {
    throw error instanceof AgentError ? error : toDatabaseError(error, 'Looking at the table to dump');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** As pg_dump reads them. Without PGHOST libpq takes the local socket, `pg` TCP. */
function configOf(env: DumpRequest['env']): pg.ClientConfig {
  return {
    host: env['PGHOST'] ?? '/var/run/postgresql',
    port: Number(env['PGPORT'] ?? 5432),
    database: env['PGDATABASE'] ?? env['PGUSER'],
    user: env['PGUSER'],
    password: env['PGPASSWORD'],
    application_name: 'slave-sync',
    connectionTimeoutMillis: 15_000,
  };
}
