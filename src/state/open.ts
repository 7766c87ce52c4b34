import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { AgentError, messageOf } from '../lib/errors.js';
import { MIGRATIONS } from './schema.js';

export type Sqlite = Database.Database;

/** How long to wait for another process's write. */
const TIMEOUT_MS = 10_000;

/**
 * - write: folder (0700) and file are made when they are missing, and the schema is brought up to date
 * - read: the record stays as it is, also one that is missing or of an older program; nothing can be written
 * - rehearse: the same, but what is written is seen here, and forgotten at the end
 */
export type Access = 'write' | 'read' | 'rehearse';

/**
 * Opens the record in `folder`. WAL lets `status` read while a run writes. Throws AgentError 'invalid-config' when the
 * folder cannot be used or the record is of a newer program.
 */
export function openRecord(folder: string, access: Access = 'write'): Sqlite {
  const file = join(folder, 'record.db');
  try {
    if (access === 'write') return openToWrite(folder, file);
    if (!existsSync(file)) return openCopy(undefined, file);
    return (access === 'read' ? openToRead(file) : undefined) ?? openCopy(file, file);
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError('invalid-config', `cannot open the record ${file}: ${messageOf(error)}`, {
      retry: 'transient',
      cause: error,
      hint: 'Check that SYNC_STATUS_PATH is a folder on a local disk with free space that this user may write.',
    });
  }
}

function openToWrite(folder: string, file: string): Sqlite {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const isNew = !existsSync(file);
  const database = new Database(file, { timeout: TIMEOUT_MS });
  if (isNew) chmodSync(file, 0o600);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  migrate(database, file);
  return database;
}

/** Undefined when its schema is not the present one. */
function openToRead(file: string): Sqlite | undefined {
  const database = new Database(file, { timeout: TIMEOUT_MS });
  // libsql does not heed the option `readonly`.
  database.pragma('query_only = ON');
  if (versionOf(database) === MIGRATIONS.length) return database;
  database.close();
  return undefined;
}

/** In memory, with the present schema: of the record as one moment has it, or an empty one. */
function openCopy(source: string | undefined, file: string): Sqlite {
  const copy = new Database(':memory:', { timeout: TIMEOUT_MS });
  if (source !== undefined) {
    copy.prepare('ATTACH ? AS record').run(source);
    copy.transaction(() => {
      const made = copy
        .prepare("SELECT name, type, sql FROM record.sqlite_master WHERE name NOT LIKE 'sqlite%'")
        .all() as { name: string; type: string; sql: string }[];
      for (const { name, type, sql } of made) {
        copy.exec(sql);
        if (type === 'table') copy.exec(`INSERT INTO main.${name} SELECT * FROM record.${name}`);
      }
      copy.pragma(`main.user_version = ${versionOf(copy, 'record')}`);
    })();
    copy.exec('DETACH record');
  }
  migrate(copy, file);
  return copy;
}

function migrate(database: Sqlite, file: string): void {
  if (versionOf(database) === MIGRATIONS.length) return;
  database
    .transaction(() => {
      // Read again inside the transaction: another process may have migrated in the meantime.
      const version = versionOf(database);
      if (version > MIGRATIONS.length)
        throw new AgentError('invalid-config', `the record ${file} was written by a newer slave-sync`, {
          retry: 'final',
          hint: 'Install that version again; nothing was changed.',
        });
      for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
      database.pragma(`user_version = ${MIGRATIONS.length}`);
    })
    .immediate();
}

function versionOf(database: Sqlite, schema = 'main'): number {
  const [row] = database.prepare(`PRAGMA ${schema}.user_version`).all() as { user_version: number }[];
  return row?.user_version ?? 0;
}
