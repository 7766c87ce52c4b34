import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { AgentError, messageOf } from '../lib/errors.js';

export interface LockHolder {
  readonly pid: number;
  readonly command: string;
  readonly since: string;
}

export interface RunLock {
  /** Aborted when the lock is lost (its file was removed or replaced): the work has to stop. */
  readonly lost: AbortSignal;
  release(): void;
}

const CHECK_MS = 1_000;
/** `status` and `health` hold the lock for a moment to see whether it is free: that is no other run. */
const LOOK_MS = 200;

/**
 * Takes the exclusive lock of this record, or gives up at once. SQLite's exclusive transaction on a small database of its
 * own dies with its holder, also after kill -9, so a stale lock cannot exist.
 * Throws AgentError 'locked' naming the holder and since when.
 */
export function acquireLock(folder: string, holder: LockHolder): RunLock {
  const file = join(folder, 'lock.db');
  const database = openLock(folder, file);
  let inode: number;
  try {
    database.exec('BEGIN EXCLUSIVE');
    writeFileSync(join(folder, 'lock.json'), JSON.stringify(holder), { mode: 0o600 });
    inode = statSync(file).ino;
  } catch (error) {
    database.close();
    if (!/locked|busy/i.test(messageOf(error))) throw error;
    const other = readHolder(folder);
    throw new AgentError(
      'locked',
      other
        ? `another run holds the lock: ${other.command} (process ${other.pid}) since ${other.since}`
        : 'another run holds the lock',
      { retry: 'transient', hint: 'Wait until it has finished; `slave-sync status` shows what it does.' },
    );
  }
  const lost = new AbortController();
  const timer = setInterval(() => {
    if (inodeOf(file) === inode) return;
    clearInterval(timer);
    lost.abort(new AgentError('cancelled', `the lock ${file} was removed: stopping`, { retry: 'transient' }));
  }, CHECK_MS);
  timer.unref();
  return {
    lost: lost.signal,
    release: () => {
      clearInterval(timer);
      database.close();
    },
  };
}

function openLock(folder: string, file: string): Database.Database {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const isNew = !existsSync(file);
    const database = new Database(file, { timeout: LOOK_MS });
    if (isNew) chmodSync(file, 0o600);
    return database;
  } catch (error) {
    throw new AgentError(
      'invalid-config',
      `cannot use the folder of the record ${folder}: ${messageOf(error)}`,
      {
        retry: 'transient',
        cause: error,
        hint: 'Check that SYNC_STATUS_PATH is a folder on a local disk with free space that this user may write.',
      },
    );
  }
}

/** True while a run holds the lock. */
export function isLocked(folder: string): boolean {
  const file = join(folder, 'lock.db');
  if (!existsSync(file)) return false;
  const database = new Database(file, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE; ROLLBACK');
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

/** Who holds the lock, or held it last. */
export function readHolder(folder: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'lock.json'), 'utf8')) as LockHolder;
  } catch {
    return undefined;
  }
}

/** Undefined for a file that is gone, or that this user is no longer allowed to see. */
function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    return undefined;
  }
}
