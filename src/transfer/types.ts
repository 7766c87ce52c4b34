import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';

export interface TransferSettings {
  /** The folder of fetched files; its layout is a contract between slaves (see cache.ts). */
  readonly cachePath: string;
  /** Verified files stay within this many bytes; the least recently used go first, files in use never. */
  readonly cacheMaxBytes: number;
  /** The ssh command line, with quotes; split without a shell. */
  readonly ssh: string;
  /** The master's files are mounted here at the same path: read in place. */
  readonly shareLayerData: boolean;
  /** The one folder from which (and to which) task files may name local paths; undefined: none. */
  readonly localDataRoot?: string | undefined;
  /** The peer that all files come from instead of the master. */
  readonly peer?: { readonly host: string; readonly path: string } | undefined;
  /** rsync calls at the same time to one host for large files; one more for small ones. */
  readonly transfersPerHost: number;
  readonly timeouts: {
    /** Until the ssh connection stands. */
    readonly connectSeconds: number;
    /** Without a byte moving. */
    readonly idleSeconds: number;
  };
}

export interface TransferDeps {
  readonly log: Logger;
  readonly clock: Clock;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** Where one rsync call stands; `done` is true in its last report. */
export interface TransferProgress {
  readonly host: string;
  readonly files: number;
  readonly totalFiles: number;
  /** Of the files' size, what is here already included. */
  readonly bytes: number;
  /** Estimated from rsync's percentage. */
  readonly totalBytes: number | undefined;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | undefined;
  readonly done: boolean;
}

export interface FetchRequest {
  /** `user@host:/absolute/path` or `/absolute/path`, as the task file has it (not trusted). */
  readonly source: string;
  /** Hex MD5 that the file must have; left out only where the task file's need not match. */
  readonly md5?: string | undefined;
  /** Name in the cache: `ws1.roads.db`, `ws1.roads.day.sld`, `meta/<md5>.json`. */
  readonly cacheName: string;
  /** With a peer: names to try in its folder, in order. Left out: [cacheName]. */
  readonly peerNames?: readonly string[] | undefined;
  /** With a peer: when it has none of these, take the file from `source`. */
  readonly fallbackToSource?: boolean | undefined;
  /** Small files of a host go together in one rsync call; large ones are spread over several. Default 'small'. */
  readonly size?: 'small' | 'large' | undefined;
  /** The greater the earlier; default 0. */
  readonly priority?: number | undefined;
}

export interface FetchedFile {
  /** Absolute; stays as it is until `release` or `close`. */
  readonly path: string;
  readonly md5: string;
  readonly bytes: number;
  /** False when it was in the cache already, or is read in place. */
  readonly transferred: boolean;
}
