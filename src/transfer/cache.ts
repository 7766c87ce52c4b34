import { randomUUID } from 'node:crypto';
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../lib/errors.js';
import { md5File } from './md5.js';

/** Fetched files that are not complete yet, per host, at their path on that host. */
export const PARTIAL_DIR = '.partial';

/** Files that a power cut would make worth fetching again; smaller ones cost less to fetch than to sync. */
const SYNC_FROM_BYTES = 1024 * 1024;

/** What may be deleted to make room: nothing else, should the folder be somebody's home. */
const CACHE_FILE = /^(?:meta\/[^/]+\.json|[^/]+\.(?:db|tar|sld)|\.partial\/.+)(?:\.[0-9a-f]{32})?$/;

export interface CachedFile {
  readonly path: string;
  readonly md5: string;
  readonly bytes: number;
}

interface Entry {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/**
 * The folder of verified files: `{workspace}.{name}.db|.tar`, `{workspace}.{name}[.{style}].sld`, `meta/<md5>.json`; peers
 * fetch from it by these names, and the next version of a file is transferred as the difference to the one here.
 * A file is read again and its MD5 computed before its first use in a run: what is here is never believed.
 */
export class Cache {
  readonly root: string;
  readonly #maxBytes: number;
  /** Files in use: path → number of users and the MD5 they rely on. */
  readonly #pins = new Map<string, { users: number; readonly md5: string }>();
  readonly #verified = new Map<string, CachedFile & { readonly stamp: string }>();
  readonly #folders = new Map<string, Promise<unknown>>();
  /** Bytes in the folder as far as known; undefined before the first count. */
  #bytes: number | undefined;
  #evicting: Promise<void> | undefined;

  constructor(root: string, maxBytes: number) {
    this.root = root;
    this.#maxBytes = maxBytes;
  }

  /** The file with this name and MD5, pinned and marked as used; undefined when it is not here. */
  async find(name: string, md5: string, signal?: AbortSignal): Promise<CachedFile | undefined> {
    for (const path of this.#places(name, md5)) {
      // Pinned before it is read, so that it is not deleted in between.
      if (!this.#pin(path, md5)) continue;
      const file = await this.#verify(path, signal).catch((error: unknown) => {
        this.#unpin(path);
        throw error;
      });
      if (file?.md5 === md5) {
        await touch(path);
        return file;
      }
      this.#unpin(path);
    }
    return undefined;
  }

  /** Where the present version of a file lies, whatever its content: the basis for a transfer. */
  basis(name: string): string {
    return join(this.root, name);
  }

  /**
   * Takes in a complete file that lies on the same file system, under `name`, pinned: moves it, or copies it (`keep`).
   * While another version of the same name is in use, it gets a name of its own beside it: users never see a file change.
   */
  async store(
    from: string,
    name: string,
    file: { readonly md5: string; readonly bytes: number },
    keep: boolean,
  ): Promise<CachedFile> {
    const path = this.#places(name, file.md5).find((place) => this.#pin(place, file.md5));
    if (path === undefined) throw new Error(`two files named ${name} have the MD5 ${file.md5}`);
    // A copy, not a link: two names of one file would share their mode.
    const source = keep ? join(this.root, PARTIAL_DIR, `${randomUUID()}.tmp`) : from;
    this.#pin(source, file.md5);
    try {
      if (keep) await copyFile(from, source);
      // Meta files can hold passwords. The others may be read by peers that the operator puts into the group.
      await chmod(source, name.startsWith('meta/') ? 0o600 : 0o640);
      if (file.bytes >= SYNC_FROM_BYTES) await sync(source);
      await this.#mkdir(dirname(path));
      await rename(source, path);
    } catch (error) {
      this.#unpin(path);
      if (keep) await rm(source, { force: true });
      throw error;
    } finally {
      this.#unpin(source);
    }
    const stored = { path, md5: file.md5, bytes: file.bytes };
    this.#verified.set(path, { ...stored, stamp: (await stampOf(path)) ?? '' });
    if (this.#bytes !== undefined) this.#bytes += file.bytes;
    return stored;
  }

  /** Ends one use of a file that `find` or `store` gave out; paths outside the cache are ignored. */
  release(path: string): void {
    this.#unpin(path);
  }

  /** Ends every use: the run is over. */
  releaseAll(): void {
    this.#pins.clear();
  }

  /**
   * Deletes the least recently used files until the rest is within the limit (or within `limit`). Files in use stay, and
   * those below the folders `busy`, where files are arriving.
   */
  async evict(busy: readonly string[], limit = this.#maxBytes): Promise<void> {
    if (this.#bytes !== undefined && this.#bytes <= limit) return;
    this.#evicting ??= this.#evict(busy, limit).finally(() => (this.#evicting = undefined));
    await this.#evicting;
  }

  async #evict(busy: readonly string[], limit: number): Promise<void> {
    const entries = await this.#list();
    let total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    for (const entry of entries.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= limit) break;
      if (this.#pins.has(entry.path) || busy.some((folder) => entry.path.startsWith(`${folder}/`))) continue;
      await rm(entry.path, { force: true });
      this.#verified.delete(entry.path);
      total -= entry.bytes;
    }
    this.#bytes = total;
  }

  async #list(): Promise<Entry[]> {
    const names = await readdir(this.root, { recursive: true }).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    const entries = names
      .filter((name) => CACHE_FILE.test(name))
      .map(async (name): Promise<Entry[]> => {
        const path = join(this.root, name);
        const info = await lstat(path).catch(() => undefined);
        // A file with a second link is a basis in the folder of partial files: counted where it belongs.
        if (!info?.isFile() || (info.nlink > 1 && name.startsWith(PARTIAL_DIR))) return [];
        return [{ path, bytes: info.size, usedMs: info.atimeMs }];
      });
    return (await Promise.all(entries)).flat();
  }

  #mkdir(folder: string): Promise<unknown> {
    let made = this.#folders.get(folder);
    if (!made) {
      made = mkdir(folder, { recursive: true, mode: 0o700 });
      this.#folders.set(folder, made);
    }
    return made;
  }

  async #verify(path: string, signal: AbortSignal | undefined): Promise<CachedFile | undefined> {
    const stamp = await stampOf(path);
    if (stamp === undefined) return undefined;
    const known = this.#verified.get(path);
    if (known?.stamp === stamp) return known;
    const file = { path, ...(await md5File(path, signal)) };
    this.#verified.set(path, { ...file, stamp });
    return file;
  }

  #places(name: string, md5: string): string[] {
    return [join(this.root, name), join(this.root, `${name}.${md5}`)];
  }

  /** False when the path is in use with another content. */
  #pin(path: string, md5: string): boolean {
    const pin = this.#pins.get(path);
    if (pin && pin.md5 !== md5) return false;
    if (pin) pin.users++;
    else this.#pins.set(path, { users: 1, md5 });
    return true;
  }

  #unpin(path: string): void {
    const pin = this.#pins.get(path);
    if (!pin) return;
    pin.users--;
    if (pin.users === 0) this.#pins.delete(path);
  }
}

/** The time of last use, written by ourselves: file systems are often mounted without it. */
async function touch(path: string): Promise<void> {
  const { mtime } = await stat(path);
  await utimes(path, new Date(), mtime);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * What changes when a file's content does; undefined when it is missing or no regular file. Links are not followed.
 * Whole milliseconds, since touch() cuts off the rest.
 */
async function stampOf(path: string): Promise<string | undefined> {
  const info = await lstat(path).catch(() => undefined);
  return info?.isFile() ? `${info.ino}:${info.size}:${Math.floor(info.mtimeMs)}` : undefined;
}
