import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { AgentError, messageOf } from '../lib/errors.js';
import { MIGRATIONS } from './schema.js';

export type Sqlite = Database.Database;

/**
 * Opens the record in `folder`, making folder (0700) and file when they are missing, and brings its schema up to date.
 * WAL lets `status` read while a run writes; synchronous=FULL makes each commit survive a power loss.
 * Throws AgentError 'invalid-config' when the folder cannot be used or the record is of a newer program.
 */
export function openRecord(folder: string): Sqlite {
  const file = join(folder, 'record.db');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const isNew = !existsSync(file);
    const database = new Database(file, { timeout: 10_000 });
    if (isNew) chmodSync(file, 0o600);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    migrate(database, file);
    return database;
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError('invalid-config', `cannot open the record ${file}: ${messageOf(error)}`, {
      retry: 'transient',
      cause: error,
      hint: 'Check that SYNC_STATUS_PATH is a folder on a local disk with free space that this user may write.',
    });
  }
}

/**
 * What SQLite throws, in the program's terms: a full disk and a record that cannot be written are the operator's to mend,
 * and nothing may go on without the record. Anything else stays as it is.
 */
export function toRecordError(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const problem = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB)/.exec(error.code)?.[1];
  if (problem === undefined) return error;
  const isFull = problem === 'FULL' || problem === 'IOERR';
  return new AgentError('disk-full', `the record in ${folder} cannot be written: ${error.message}`, {
    retry: 'transient',
    cause: error,
    hint: isFull
      ? 'Make room on that disk; the next run goes on where this one stopped.'
      : 'Check the folder of SYNC_STATUS_PATH: its owner, its mode, its disk.',
  });
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

function versionOf(database: Sqlite): number {
  const [row] = database.prepare('PRAGMA user_version').all() as { user_version: number }[];
  return row?.user_version ?? 0;
}
