import { link, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '../lib/hash.js';
import { PARTIAL_DIR } from './cache.js';

/** rsync's name for a file it is writing, `.name.XXXXXX`; it stays behind when rsync is killed. */
const RSYNC_TEMPORARY = /^\.(.+)\.[A-Za-z0-9]{6}$/;

/**
 * The folder that one host's files arrive in, each at its path on the host, until they are verified. What an
 * interrupted transfer leaves here is where the next one goes on, also in a later run.
 */
export class Staging {
  readonly root: string;
  readonly #folders = new Map<string, Promise<unknown>>();
  #swept: Promise<void> | undefined;

  constructor(cacheRoot: string, host: string) {
    this.root = join(cacheRoot, PARTIAL_DIR, sha256(host).slice(0, 16));
  }

  path(remotePath: string): string {
    return join(this.root, remotePath);
  }

  /** Makes the folder; to be called before anything else. */
  async open(): Promise<void> {
    await this.#mkdir(this.root);
    this.#swept ??= this.#sweep();
    await this.#swept;
  }

  /**
   * Makes ready for the arrival of a file: what came of it earlier, else a link to the version in the cache, is there for
   * rsync to work out the difference from. rsync replaces the link and leaves the cached file as it is.
   * Returns the inode of that, which changes when the file arrives; undefined when there is none.
   */
  async prepare(remotePath: string, basis: string): Promise<number | undefined> {
    const path = this.path(remotePath);
    await this.#mkdir(dirname(path));
    const there = await stat(path).catch(() => undefined);
    if (there && !there.isDirectory()) return there.ino;
    // Left by an earlier path that led through this one.
    if (there) await this.remove(remotePath);
    // Without a basis, or on a file system without hard links, the whole file is transferred.
    const linked = await link(basis, path).then(
      () => true,
      () => false,
    );
    return linked ? this.inode(remotePath) : undefined;
  }

  async inode(remotePath: string): Promise<number | undefined> {
    return (await stat(this.path(remotePath)).catch(() => undefined))?.ino;
  }

  async remove(remotePath: string): Promise<void> {
    await rm(this.path(remotePath), { recursive: true, force: true });
  }

  /** Removes it if it is still the link that `prepare` made; a partial file stays. */
  async removeBasis(remotePath: string): Promise<void> {
    const info = await stat(this.path(remotePath)).catch(() => undefined);
    if (info && (info.nlink > 1 || info.isDirectory())) await this.remove(remotePath);
  }

  /** Removes folders that have become empty. */
  async tidy(): Promise<void> {
    const folders = await readdir(this.root, { recursive: true, withFileTypes: true }).catch(() => []);
    const paths = folders
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of [...paths.sort().reverse(), this.root]) await rmdir(path).catch(() => undefined);
    this.#folders.clear();
  }

  /** What a killed rsync left under its temporary name is as good as a partial file. */
  async #sweep(): Promise<void> {
    const entries = await readdir(this.root, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const name = RSYNC_TEMPORARY.exec(entry.name)?.[1];
      if (name === undefined || !entry.isFile()) continue;
      await rename(join(entry.parentPath, entry.name), join(entry.parentPath, name)).catch(() => undefined);
    }
  }

  #mkdir(folder: string): Promise<unknown> {
    let made = this.#folders.get(folder);
    if (!made) {
      made = mkdir(folder, { recursive: true, mode: 0o700 });
      this.#folders.set(folder, made);
    }
    return made;
  }
}
