import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from './hash.js';
import { CHILD_MARK } from './process.js';

/** The longest name of a folder that `makeTemporaryFolder` makes, in bytes. */
export const TEMPORARY_NAME_BYTES = 'slave-sync-12345678-123456'.length;

/** Makes a private folder (0700) in `base`. Its name says of which record's run it is, so that it can be found again. */
export async function makeTemporaryFolder(base = tmpdir()): Promise<string> {
  const record = process.env[CHILD_MARK];
  return mkdtemp(join(base, record === undefined ? 'slave-sync-' : prefixOf(record)));
}

/** Removes the temporary folders that killed runs of this record left. Only under its lock: then none belongs to a living one. */
export async function removeAbandonedFolders(record: string): Promise<void> {
  for (const base of new Set([tmpdir(), '/tmp'])) {
    const names = await readdir(base).catch(() => []);
    for (const name of names.filter((one) => one.startsWith(prefixOf(record))))
      // Anybody may make such a name in /tmp; what is not ours cannot be removed, and need not be.
      await rm(join(base, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** The machine's name is in it, since containers may share a folder for temporary files. */
function prefixOf(record: string): string {
  return `slave-sync-${sha256(`${hostname()}\0${record}`).slice(0, 8)}-`;
}
