import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { AgentError, isErrno } from '../lib/errors.js';
import type { Semaphore } from '../lib/semaphore.js';
import { checksumMismatch, missing } from './errors.js';
import { md5File } from './md5.js';
import type { FetchedFile, TransferSettings } from './types.js';

const HERE = 'this machine';

/** Files of this machine that a task file names: only where the operator allows it. */
export class LocalFiles {
  readonly #shared: boolean;
  readonly #root: string | undefined;
  readonly #hashing: Semaphore;

  constructor(settings: Pick<TransferSettings, 'shareLayerData' | 'localDataRoot'>, hashing: Semaphore) {
    this.#shared = settings.shareLayerData;
    this.#root = settings.localDataRoot;
    this.#hashing = hashing;
  }

  /** Reads a file in place: nothing is copied. With `SHARE_LAYER_DATA` any path, else one inside `LOCAL_DATA_ROOT`. */
  async read(path: string, md5: string | undefined, signal: AbortSignal): Promise<FetchedFile> {
    // Before anything is looked up, so that a task file learns nothing about other folders.
    if (!this.#shared && this.#root === undefined) throw notAllowed(path);
    const real = await realpath(path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) throw missing(HERE, path, 'is missing');
      throw error;
    });
    if (!this.#shared) await this.#checkInside(real, path);
    // A named pipe or device would never end.
    if (!(await stat(real)).isFile()) throw missing(HERE, path, 'is no regular file');
    const file = await this.#hashing.run(() => md5File(real, signal));
    if (md5 !== undefined && md5 !== file.md5) throw checksumMismatch(HERE, path, md5, file.md5);
    return { path: real, ...file, transferred: false };
  }

  /** The real path of an existing folder inside `LOCAL_DATA_ROOT`, to write to. */
  async folder(path: string): Promise<string> {
    if (this.#root === undefined) throw notAllowed(path);
    const real = await realpath(path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) throw missing(HERE, path, 'is missing');
      throw error;
    });
    await this.#checkInside(real, path);
    return real;
  }

  async #checkInside(real: string, path: string): Promise<void> {
    const root = this.#root === undefined ? undefined : await realpath(this.#root).catch(() => undefined);
    if (root === undefined || !`${real}${sep}`.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
      throw notAllowed(path);
  }
}

function notAllowed(path: string): AgentError {
  return new AgentError('invalid-task-file', `the local path ${path} is not allowed`, {
    retry: 'final',
    hint: 'Set LOCAL_DATA_ROOT to the folder that holds it, or SHARE_LAYER_DATA where the master’s files are mounted.',
  });
}
