import { basename, join } from 'node:path';
import { sha256 } from '../lib/hash.js';
import type { Machine } from './machine.js';

/**
 * Where fetched files and the record lie unless the operator says otherwise: in the state repository's `code/` folder, as
 * they always have; without one, in a folder of this state repository under `/var/lib/slave-sync` (root) or
 * `$XDG_STATE_HOME/slave-sync`. Never in the program's own folder, which an update replaces.
 */
export function defaultFolders(
  repositoryRoot: string,
  machine: Machine,
  xdgStateHome: string | undefined,
): { readonly cache: string; readonly status: string } {
  if (machine.hasCodeFolder(repositoryRoot))
    return {
      cache: join(repositoryRoot, 'code', 'dumps'),
      status: join(repositoryRoot, 'code', '.sync_status'),
    };
  // The XDG specification says that a relative path is to be ignored.
  const userState = xdgStateHome?.startsWith('/') ? xdgStateHome : join(machine.home, '.local', 'state');
  const base = join(machine.isRoot ? '/var/lib' : userState, 'slave-sync', folderName(repositoryRoot));
  return { cache: join(base, 'dumps'), status: join(base, 'status') };
}

/** Two state repositories whose folders have the same name do not share a record. */
function folderName(repositoryRoot: string): string {
  return `${basename(repositoryRoot)}-${sha256(repositoryRoot).slice(0, 8)}`;
}

/** True when the path lies in a folder that npm replaces at an update. */
export function isInsidePackage(path: string): boolean {
  return path.split('/').includes('node_modules');
}
