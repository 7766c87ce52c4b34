import { randomBytes } from 'node:crypto';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { FileReference } from '../jobs/job.js';
import { md5File } from '../transfer/md5.js';
import { parseLocation } from '../transfer/source.js';
import { refused } from './options.js';

/**
 * A new folder below the data root for the files of one publication. No other publication writes into it, and what is in
 * there never changes: a slave that still fetches the last one is not disturbed.
 */
export class DataFolder {
  readonly batch: string;
  readonly path: string;
  readonly #remote: string;

  private constructor(path: string, batch: string, remote: string) {
    this.path = path;
    this.batch = batch;
    this.#remote = remote;
  }

  /** @param place the folder below the data root, for instance ['full_data', 'dpaw', 'ws1'] */
  static async create(
    target: { readonly dataRoot: string; readonly remote: string },
    place: readonly string[],
    now: Date,
  ): Promise<DataFolder> {
    const batch = `B${now.toISOString().slice(0, 19).replace(/\D/g, '')}-${randomBytes(4).toString('hex')}`;
    const parent = join(resolve(target.dataRoot), ...place);
    const path = join(parent, batch);
    checkReference(`${target.remote}${path}/x`, target.remote);
    await mkdir(parent, { recursive: true });
    await mkdir(path);
    return new DataFolder(path, batch, target.remote);
  }

  async write(name: string, content: string | Uint8Array): Promise<FileReference> {
    await writeFile(join(this.path, name), content, { flag: 'wx' });
    return this.reference(name);
  }

  /** What a task file says of a file in here; flushes it to the disk, since the commit that names it must not outlive it. */
  async reference(name: string): Promise<FileReference> {
    const path = join(this.path, name);
    const location = `${this.#remote}${path}`;
    checkReference(location, this.#remote);
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    return { file: location, md5: (await md5File(path)).md5 };
  }

  /** For a publication that failed: nobody knows of these files. */
  async discard(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** A slave reads it by the same rules. */
function checkReference(reference: string, remote: string): void {
  if (remote !== '' && !/^[^/:]+:$|^\S*\[[^\]]*\]:$/.test(remote))
    throw refused(`the remote ${JSON.stringify(remote)} does not look like user@host:`);
  parseLocation(reference);
}
