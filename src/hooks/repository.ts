import { access, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';

export type Vcs = 'hg' | 'git';

/** Where a state repository is: what `findRepository` finds. */
export interface RepositoryLocation {
  readonly vcs: Vcs;
  /** Absolute, symbolic links resolved; the top of the working copy, or the folder of a bare git repository. */
  readonly root: string;
}

/** One file of a revision. */
export interface ManifestEntry {
  /** Relative to the root, exactly as stored: no normalisation of any sort. */
  readonly path: string;
  /**
   * Changes whenever the content does: Mercurial's file node, git's blob id. Mercurial's also changes when the content
   * was changed and changed back, so a new id alone is no proof of a new content.
   */
  readonly blobId: string;
  /** Links are never followed: `read` yields a symbolic link's target text, and nothing for a submodule. */
  readonly type: 'file' | 'symlink' | 'submodule';
}

export interface Manifest {
  readonly entries: readonly ManifestEntry[];
  /** Paths that are not UTF-8, with their odd bytes shown as `\xNN`: no task file can be addressed by them. */
  readonly undecodable: readonly string[];
}

export interface PullOptions {
  /** The ssh command with its options, as a shell line (BORG_SSH); the VCS's own when missing. */
  readonly ssh?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The pull's process group gets TERM after this many milliseconds; PULL_TIMEOUT_MS when missing. */
  readonly timeoutMs?: number;
  /** KILL follows TERM after this many milliseconds; PULL_GRACE_MS when missing. */
  readonly graceMs?: number;
}

export const PULL_TIMEOUT_MS = 60 * 60_000;
export const PULL_GRACE_MS = 30_000;

/** A file above this size is no task file: `read` leaves it out and logs it. */
export const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** The state repository at rest or, inside a hook, with the changes that wait for our verdict. */
export interface StateRepository extends RepositoryLocation {
  /** The branch that is followed. */
  readonly branch: string;
  /**
   * The id (40 hex digits) of the revision that this slave is to follow: the head of the branch.
   * Throws AgentError: 'invalid-config' when there is no such branch, 'conflict' when it has several open heads (all
   * named), 'missing-at-source' when it is closed.
   */
  target(): Promise<string>;
  /** All files of a revision, with one VCS command. */
  manifest(revision: string): Promise<Manifest>;
  /**
   * The raw bytes of these files at a revision, by path, with one VCS command for all. What the revision lacks, what is
   * a submodule and what is larger than MAX_FILE_BYTES is missing in the result.
   */
  read(revision: string, files: readonly (string | ManifestEntry)[]): Promise<Map<string, Buffer>>;
  /**
   * The ids of the revision's first ancestors, sorted and joined by a comma: another value means that this is another
   * repository. `undefined` when the history is not complete here (a shallow clone).
   */
  rootId(revision: string): Promise<string | undefined>;
  /** Fetches the branch with our own hooks switched off; those of others run. See `pull()` for what it throws. */
  fetch(options: PullOptions): Promise<void>;
  /** Ends the processes that serve this object. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** The repository's root, or any folder inside it. */
  readonly root: string;
  /** STATE_BRANCH; `default` (hg) or the remote's HEAD (git) when missing. */
  readonly branch?: string | undefined;
  /** The process's environment; of a hook's variables only what reading needs is handed on. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
  /** git: the revision that waits for this hook's verdict, which `target()` then answers. See git/transaction.ts. */
  readonly revision?: string | undefined;
}

/** The state repository that a folder belongs to: itself or the nearest one above it. */
export async function findRepository(start: string): Promise<RepositoryLocation | undefined> {
  let folder: string;
  try {
    folder = await realpath(start);
  } catch {
    return undefined;
  }
  for (;;) {
    if (await isFolder(join(folder, '.hg'))) return { vcs: 'hg', root: folder };
    if (await exists(join(folder, '.git'))) return { vcs: 'git', root: folder };
    if (basename(folder) !== '.git' && (await isBareGit(folder))) return { vcs: 'git', root: folder };
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

/**
 * Opens the state repository for reading; `close()` it. Throws AgentError 'invalid-config' when there is none, or when
 * git refuses to work in it for its owner's sake.
 */
export async function openRepository(options: OpenOptions): Promise<StateRepository> {
  const location = await findRepository(options.root);
  if (location === undefined) {
    throw new AgentError('invalid-config', `${options.root} is not inside a Mercurial or git repository`, {
      retry: 'final',
      hint: 'Set STATE_REPOSITORY_ROOT to the clone of the state repository.',
    });
  }
  if (location.vcs === 'hg') {
    const { openMercurial } = await import('./mercurial/repository.js');
    return openMercurial(location.root, options);
  }
  const { openGit } = await import('./git/repository.js');
  return openGit(location.root, options);
}

async function isBareGit(folder: string): Promise<boolean> {
  const parts = await Promise.all([
    exists(join(folder, 'HEAD')),
    isFolder(join(folder, 'objects')),
    isFolder(join(folder, 'refs')),
  ]);
  return parts.every(Boolean);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
