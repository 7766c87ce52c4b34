import Database from 'libsql';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from '../support/geoserver/catalog.js';
import type { TestDatabase } from '../support/postgres.js';

/** Everything that a run is to leave behind, in a form in which two of them can be compared. */
export interface Snapshot {
  readonly schemas: unknown;
  readonly relations: Readonly<Record<string, unknown>>;
  readonly bookkeeping: unknown;
  readonly catalog: unknown;
  readonly record: Readonly<Record<string, unknown>>;
  readonly cache: readonly string[];
  /** Temporary files. */
  readonly temporary: readonly string[];
  readonly sessions: readonly string[];
}

export interface Places {
  readonly database: TestDatabase;
  readonly catalog: Catalog;
  readonly state: string;
  readonly cache: string;
  readonly temporary: string;
}

export async function takeSnapshot(places: Places): Promise<Snapshot> {
  const { database } = places;
  const own = `nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'borg_slave', 'public')`;
  return {
    schemas: await database.query(`SELECT nspname, nspacl::text FROM pg_namespace WHERE ${own} ORDER BY 1`),
    relations: await relationsOf(database, own),
    bookkeeping: await bookkeepingOf(database),
    catalog: plain(places.catalog),
    record: recordOf(places.state),
    cache: await filesOf(places.cache),
    temporary: await readdir(places.temporary),
    sessions: (
      await database.query<{ name: string }>(
        `SELECT application_name || ': ' || query AS name FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'slave-sync%'`,
      )
    ).map(({ name }) => name),
  };
}

async function relationsOf(database: TestDatabase, own: string): Promise<Record<string, unknown>> {
  const relations = await database.query<{ name: string; relkind: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name, relkind, relacl::text,
       obj_description(c.oid, 'pg_class') AS comment,
       CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition,
       (SELECT array_agg(conname || ': ' || pg_get_constraintdef(k.oid) ORDER BY conname)
        FROM pg_constraint k WHERE k.conrelid = c.oid) AS constraints,
       (SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
     FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE ${own} ORDER BY 1`,
  );
  const result: Record<string, unknown> = {};
  for (const relation of relations) {
    const hasRows = ['r', 'v', 'm'].includes(relation.relkind);
    const rows = hasRows
      ? await database.query(
          `SELECT count(*)::int AS count, md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM ${relation.name} t`,
        )
      : [];
    result[relation.name] = { ...relation, rows };
  }
  return result;
}

async function bookkeepingOf(database: TestDatabase): Promise<unknown> {
  const [there] = await database.query(`SELECT to_regclass('borg_slave.layer') IS NOT NULL AS yes`);
  if (there?.['yes'] !== true) return [];
  return database.query(
    `SELECT data_schema, table_name, staged_md5, live_md5, live_key, live_job,
       live_oid = to_regclass(format('%I.%I', data_schema, table_name)) AS right
     FROM borg_slave.layer ORDER BY 1, 2`,
  );
}

/** The catalog as plain data: in no particular order, without ids that count and salts. */
function plain(catalog: Catalog): unknown {
  const text = JSON.stringify(catalog, (key, value: unknown) => {
    if (key === 'cached' || key === 'id') return undefined;
    if (value instanceof Map)
      return Object.fromEntries(
        [...(value as Map<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : Number(a > b))),
      );
    return value;
  });
  // Passwords are marked with a salted hash.
  return JSON.parse(text.replace(/[0-9a-f]{32}:[0-9a-f]{64}/g, 'marker')) as unknown;
}

const RECORDED = {
  file: 'SELECT path, blob_id, content_hash, kind, channel, action, identity, name, spec, state, reason, message, attempts FROM file ORDER BY path',
  // Without fingerprints: what is published anew gets a generation of its own.
  publication: 'SELECT path, identity, kind, channel, name, spec FROM publication ORDER BY path, identity',
  task: 'SELECT path, action, type, object, target, state, reason FROM task ORDER BY path, action, type, object, target',
  made: 'SELECT * FROM made ORDER BY target, type, name',
  settled: "SELECT value <> '' AS settled FROM setting WHERE key = 'settled'",
};

function recordOf(folder: string): Record<string, unknown> {
  const file = join(folder, 'record.db');
  if (!existsSync(file)) return {};
  const database = new Database(file, { timeout: 5_000 });
  try {
    return Object.fromEntries(
      Object.entries(RECORDED).map(([name, sql]) => [name, database.prepare(sql).all()]),
    );
  } finally {
    database.close();
  }
}

/** Path and content of each file. */
async function filesOf(folder: string): Promise<string[]> {
  const names = existsSync(folder) ? await readdir(folder, { recursive: true }) : [];
  const lines = names.map(async (name) => {
    const path = join(folder, name);
    if ((await stat(path)).isDirectory()) return `${name}/`;
    return `${name} ${createHash('md5')
      .update(await readFile(path))
      .digest('hex')}`;
  });
  return (await Promise.all(lines)).sort();
}

/** The first few paths at which two snapshots differ, with both values. */
export function differences(expected: unknown, actual: unknown, path = ''): string[] {
  if (isObject(expected) && isObject(actual)) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    return keys.flatMap((key) => differences(expected[key], actual[key], `${path}/${key}`));
  }
  const [a, b] = [expected, actual].map((value) => JSON.stringify(value));
  return a === b ? [] : [`${path}: ${shown(b)} instead of ${shown(a)}`];
}

const shown = (value: unknown): string => String(value);

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object';
}
