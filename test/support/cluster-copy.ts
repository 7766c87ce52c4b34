import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../src/lib/errors.js';
import { run } from '../../src/lib/process.js';

/** Where `npm test` keeps the cluster that all of its processes begin with; unset when a file is run by itself. */
const SHARED = process.env['TEST_CLUSTER'];

/** Copies a cluster that another process has made, with its password file, into this folder; false when there is none yet. */
export async function copyShared(dir: string): Promise<boolean> {
  if (SHARED === undefined || !existsSync(join(SHARED, 'made'))) return false;
  await copy(join(SHARED, 'made'), dir);
  return true;
}

/** True when nobody has shared a cluster so far. */
export function isWanted(): boolean {
  return SHARED !== undefined && !existsSync(join(SHARED, 'made'));
}

/** Shares what lies in this folder: the data of a cluster that was stopped in order, and its password file. */
export async function share(dir: string): Promise<void> {
  if (SHARED === undefined) return;
  const mine = await mkdtemp(join(SHARED, 'making-'));
  await copy(dir, mine);
  try {
    await rename(mine, join(SHARED, 'made'));
  } catch (error) {
    // Another process was quicker.
    if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'EEXIST')) throw error;
    await rm(mine, { recursive: true, force: true });
  }
}

/** With owners and modes, which PostgreSQL looks at. */
async function copy(from: string, to: string): Promise<void> {
  await run('cp', ['-a', '--reflink=auto', ...['data', 'password'].map((name) => join(from, name)), to], {
    timeoutMs: 60_000,
  });
}
