import { spawn, spawnSync } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../src/lib/errors.js';
import { onExit, tempDir } from './temp.js';

/** A small file system of its own that can be filled up. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** undefined where one may not mount: only root may. */
  static async mount(megabytes: number): Promise<SmallDisk | undefined> {
    const folder = await tempDir('disk');
    const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', folder];
    if (spawnSync('mount', options).status !== 0) return undefined;
    onExit(() => spawnSync('umount', ['-l', folder]));
    // The same after a kill -9, at which the shell's input ends.
    const watcher = spawn('sh', ['-c', 'cat >/dev/null; umount -l "$1" 2>/dev/null', 'umount', folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    });
    watcher.unref();
    (watcher.stdin as unknown as { unref(): void }).unref();
    return new SmallDisk(folder);
  }

  /** Leaves no more than so many bytes free. */
  async fill(left: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    await writeFile(this.#ballast, Buffer.alloc(Math.max(0, bavail * bsize - left))).catch(
      (error: unknown) => {
        // Somebody else has written meanwhile: then less is left.
        if (!isErrno(error, 'ENOSPC')) throw error;
      },
    );
  }

  async empty(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return join(this.folder, 'ballast');
  }
}
