import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/log.js';
import { run } from '../../src/lib/process.js';
import { Secret } from '../../src/lib/secret.js';
import { Database, type DatabaseSettings, type PublishedTable } from '../../src/pgdump/database.js';
import { dumpTable } from '../../src/pgdump/dump.js';
import { postgres, type TestDatabase } from '../support/postgres.js';
import { tempDir } from '../support/temp.js';

export const never = new AbortController().signal;
// Many calls at once listen to it.
setMaxListeners(0, never);
export const schemas = { schema: 's', dataSchema: 'd', outdatedSchema: 'o' };

/** A master's database, a slave's, and the way between them. */
export interface Rig {
  readonly master: TestDatabase;
  readonly slave: TestDatabase;
  readonly database: Database;
  /** Dumps d.<table> of the master (custom, or tar) and returns the file. */
  dump(table: string, format?: 'custom' | 'tar'): Promise<string>;
  /** Publishes a dump; by default a new one of d.<table>. */
  publish(table: string, file?: string, md5?: string): Promise<PublishedTable>;
  /** What a database object would be made from by another process. */
  readonly settings: DatabaseSettings;
  /** Database with other settings on the same slave; closed with the rig. */
  other(settings: Partial<DatabaseSettings>): Database;
  close(): Promise<void>;
}

export async function makeRig(): Promise<Rig> {
  const cluster = await postgres();
  const [master, slave] = [await cluster.createDatabase(), await cluster.createDatabase()];
  await master.query('CREATE SCHEMA d');
  const settings: DatabaseSettings = {
    host: slave.host,
    port: slave.port,
    database: slave.name,
    user: slave.user,
    password: new Secret(slave.password),
    lockWaitMs: 10_000,
  };
  const made: Database[] = [];
  const other = (changes: Partial<DatabaseSettings>): Database => {
    const database = new Database({ ...settings, ...changes }, { log: silentLogger, clock: systemClock });
    made.push(database);
    return database;
  };
  const database = other({});
  await database.ensureSchemas({ ...schemas, authLevel: 1 }, never);
  const dir = await tempDir('dumps');
  let count = 0;
  const dump: Rig['dump'] = async (table, format = 'custom') => {
    const file = join(dir, `${++count}.db`);
    const env = environmentOf(master);
    if (format === 'custom') await dumpTable({ schema: 'd', table, file, env }, never);
    else
      await run(
        join(cluster.binDir, 'pg_dump'),
        ['-Ft', '-t', `"d"."${table.replaceAll('"', '""')}"`, '-f', file],
        {
          env,
        },
      );
    return file;
  };
  return {
    master,
    slave,
    database,
    settings,
    other,
    dump,
    publish: async (table, file, md5) => {
      const dumpPath = file ?? (await dump(table));
      return database.publishTable(
        { ...schemas, table, dumpPath, md5: md5 ?? (await md5Of(dumpPath)), jobId: 'job' },
        never,
      );
    },
    close: async () => {
      for (const each of made) await each.close();
      await master.drop();
      await slave.drop();
    },
  };
}

/** The usual variables for a database of the test cluster. */
export function environmentOf(database: TestDatabase): Record<string, string> {
  return {
    PGHOST: database.host,
    PGPORT: String(database.port),
    PGDATABASE: database.name,
    PGUSER: database.user,
    PGPASSWORD: database.password,
  };
}

export async function md5Of(file: string): Promise<string> {
  return createHash('md5')
    .update(await readFile(file))
    .digest('hex');
}

/** The reason and retry class of what is thrown, and its message; fails when nothing is. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<{ reason: string; retry: string; message: string; hint: string | undefined }> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Error) || !('reason' in error) || !('retry' in error)) throw error;
    const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined;
    return { reason: String(error.reason), retry: String(error.retry), message: error.message, hint };
  }
  throw new Error('nothing was thrown');
}

/** Where a table of the rig's schemas is: which of "d.t", "o.t", "s.t" exist, and what the view reads. */
export async function layoutOf(slave: TestDatabase, table: string): Promise<string[]> {
  const rows = await slave.query<{ place: string }>(
    `SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text AS place FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname IN ('s', 'd', 'o') AND c.relname = $1 ORDER BY 1`,
    [table],
  );
  return rows.map((row) => row.place);
}

/** The layout after a publication, as the operators know it. */
export const published = (table: string): string[] => [`d.${table} r`, `s.${table} v`];

/** A seeded pseudo random number generator (mulberry32) in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
