import { constants, type Stats } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno, messageOf } from '../../lib/errors.js';
import type { Check, Finding } from '../check.js';
import { ownedByAnother } from '../owner.js';

const WARN_BYTES = 2 ** 30;
const FAIL_BYTES = 100 * 2 ** 20;

/** `f_type` of file systems that are on another machine, where the record's locks cannot be relied on: NFS, SMB. */
const REMOTE_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42]);

/** The folders of the record and of fetched files: there or makeable, writable, private, local, with room. */
export const folders: Check = {
  name: 'folders',
  run: ({ config }) =>
    Promise.all([
      look('state', config.statePath, 'SYNC_STATUS_PATH'),
      look('cache', config.cachePath, 'CACHE_PATH'),
    ]),
};

async function look(name: 'state' | 'cache', path: string, variable: string): Promise<Finding> {
  const existing = await nearestExisting(path);
  const files = name === 'state' ? ['record.db', 'lock.db', 'lock.json'].map((file) => join(path, file)) : [];
  const refused = await firstRefused([existing.path, ...files], existing.stats);
  if (refused !== undefined)
    return { name, state: 'failed', message: refused, hint: `Mend its owner or mode, or set ${variable}.` };
  const { bavail, bsize, type } = await statfs(existing.path);
  const free = bavail * bsize;
  const room = `${path}, ${Math.round(free / 2 ** 20)} MiB free`;
  if (free < WARN_BYTES)
    return {
      name,
      state: free < FAIL_BYTES ? 'failed' : 'warning',
      message: room,
      hint: `Make room, or set ${variable} to a folder on another disk.`,
    };
  if (name === 'state' && REMOTE_FILE_SYSTEMS.has(type))
    return {
      name,
      state: 'warning',
      message: `${path} is on a network file system`,
      hint: `Locks do not hold there: set ${variable} to a folder on a local disk.`,
    };
  return owned(name, existing, path) ?? { name, state: 'ok', message: room };
}

interface Existing {
  readonly path: string;
  readonly stats: Stats;
}

/** The folder itself, or the one in which a run makes it. */
async function nearestExisting(path: string): Promise<Existing> {
  try {
    return { path, stats: await stat(path) };
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
    return nearestExisting(dirname(path));
  }
}

async function firstRefused(paths: readonly string[], stats: Stats): Promise<string | undefined> {
  if (!stats.isDirectory()) return `${paths[0] ?? ''} is no folder`;
  for (const [index, path] of paths.entries()) {
    const rights = constants.R_OK | constants.W_OK | (index === 0 ? constants.X_OK : 0);
    try {
      await access(path, rights);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) return `cannot be written: ${messageOf(error)}`;
    }
  }
  return undefined;
}

function owned(name: string, { path, stats }: Existing, wanted: string): Finding | undefined {
  if (path !== wanted) return undefined;
  const warning = ownedByAnother(name, path, stats);
  if (warning !== undefined) return warning;
  const open = stats.mode & (name === 'state' ? 0o077 : 0o002);
  if (open === 0) return undefined;
  return {
    name,
    state: 'warning',
    message: `others of this machine can look into or write to ${path}`,
    hint: `chmod ${name === 'state' ? 'go=' : 'o-w'} ${path}`,
  };
}
