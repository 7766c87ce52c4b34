import { AgentError } from '../../lib/errors.js';
import { run, start, tail, type RunOptions } from '../../lib/process.js';
import { gitEnvironment } from '../environment.js';
import { RecordReader, type RecordFormat } from '../records.js';
import {
  MAX_FILE_BYTES,
  type Manifest,
  type ManifestEntry,
  type OpenOptions,
  type PullOptions,
  type StateRepository,
} from '../repository.js';
import { decodeUtf8, escapeBytes, splitAtNul } from '../text.js';
import { findFollowedBranch, type FollowedBranch } from './followed.js';

/** Reading a local repository takes milliseconds; this ends a process that hangs. */
const READ_TIMEOUT_MS = 10 * 60_000;

/** `<id> blob <size>LF<bytes>LF`, or `<id> missing LF`, as `git cat-file --batch` writes it. */
const BLOB_RECORD: RecordFormat = {
  delimiter: '\n'.charCodeAt(0),
  trailer: 1,
  header: (text) => {
    const [key = '', , size] = text.toString('latin1').split(' ');
    return size === undefined ? undefined : { key, size: Number(size) };
  },
};

/** Opens a git repository; inside a hook `options.revision` is the commit that waits for the verdict. */
export async function openGit(root: string, options: OpenOptions): Promise<StateRepository> {
  return new GitRepository(await findFollowedBranch(root, options), options);
}

class GitRepository implements StateRepository {
  readonly vcs = 'git';
  readonly #followed: FollowedBranch;
  readonly #options: OpenOptions;

  constructor(followed: FollowedBranch, options: OpenOptions) {
    this.#followed = followed;
    this.#options = options;
  }

  get root(): string {
    return this.#followed.root;
  }

  get branch(): string {
    return this.#followed.branch;
  }

  async target(): Promise<string> {
    const { ref } = this.#followed;
    const name = this.#options.revision ?? ref;
    const id = await this.#git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], [0, 1]);
    if (id.length > 0) return id.toString('latin1').trim();
    const others = await this.#git(['for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/remotes']);
    const list = others.toString('utf8').trim().split('\n').join(', ');
    throw new AgentError(
      'invalid-config',
      `the state repository has no ${name}; it has ${list || 'no branch'}`,
      {
        retry: 'remote',
        hint: 'Set STATE_BRANCH to a branch that exists; a new clone may still have to be fetched.',
      },
    );
  }

  async manifest(revision: string): Promise<Manifest> {
    const output = await this.#git(['ls-tree', '-r', '-z', '--full-tree', revision]);
    const entries: ManifestEntry[] = [];
    const undecodable: string[] = [];
    for (const item of splitAtNul(output)) {
      const tab = item.indexOf('\t');
      const [mode, , blobId = ''] = item.toString('latin1', 0, tab).split(' ');
      const pathBytes = item.subarray(tab + 1);
      const path = decodeUtf8(pathBytes);
      if (path === undefined) undecodable.push(escapeBytes(pathBytes));
      else entries.push({ path, blobId, type: typeOf(mode) });
    }
    return { entries, undecodable };
  }

  async read(revision: string, files: readonly (string | ManifestEntry)[]): Promise<Map<string, Buffer>> {
    const entries = await this.#entries(revision, files);
    const pathsById = new Map<string, string[]>();
    for (const { path, blobId, type } of entries) {
      if (type === 'submodule') continue;
      const paths = pathsById.get(blobId);
      if (paths) paths.push(path);
      else pathsById.set(blobId, [path]);
    }
    const found = new Map<string, Buffer>();
    if (pathsById.size === 0) return found;
    const reader = new RecordReader(BLOB_RECORD, MAX_FILE_BYTES, (id, content) => {
      for (const path of pathsById.get(id) ?? []) {
        if (content === 'too-large') this.#options.log.warn('file is too large to be read', { path });
        else found.set(path, content);
      }
    });
    // By id: a name may hold a newline, and resolving `revision:path` for each is seven times slower.
    await this.#stream(['cat-file', '--batch', '--buffer'], `${[...pathsById.keys()].join('\n')}\n`, reader);
    return found;
  }

  async rootId(revision: string): Promise<string | undefined> {
    if (this.#followed.shallow) return undefined;
    const roots = await this.#git(['rev-list', '--max-parents=0', revision]);
    return roots.toString('latin1').trim().split('\n').sort().join(',');
  }

  async fetch(options: PullOptions): Promise<void> {
    const { fetchGit } = await import('./fetch.js');
    await fetchGit(this.#followed, this.#options.env, this.#options.log, options);
  }

  async close(): Promise<void> {
    // Every git command here ends by itself.
  }

  async #entries(
    revision: string,
    files: readonly (string | ManifestEntry)[],
  ): Promise<readonly ManifestEntry[]> {
    if (files.every((file) => typeof file !== 'string')) return files;
    const wanted = new Set(files.map((file) => (typeof file === 'string' ? file : file.path)));
    const { entries } = await this.manifest(revision);
    return entries.filter((entry) => wanted.has(entry.path));
  }

  async #git(args: readonly string[], okCodes: readonly number[] = [0]): Promise<Buffer> {
    return (await run('git', args, { ...this.#runOptions(), okCodes })).stdout;
  }

  async #stream(args: readonly string[], input: string, reader: RecordReader): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const git = start('git', args, this.#runOptions());
    git.stdout.on('data', (chunk: Buffer) => reader.push(chunk));
    git.stdin.end(input);
    const exitCode = await git.exited;
    if (this.#options.signal?.aborted)
      throw new AgentError('cancelled', 'reading the repository was stopped', { retry: 'transient' });
    if (exitCode !== 0 || !reader.complete)
      throw new AgentError(
        'command-failed',
        `git ${args[0] ?? ''}: ${tail(git.stderr()) || 'output was cut'}`,
        {
          retry: 'transient',
        },
      );
  }

  #runOptions(): RunOptions {
    return {
      cwd: this.root,
      env: gitEnvironment(this.#options.env, this.#followed.gitDir),
      signal: this.#options.signal,
      timeoutMs: READ_TIMEOUT_MS,
    };
  }
}

function typeOf(mode: string | undefined): ManifestEntry['type'] {
  if (mode === '120000') return 'symlink';
  return mode === '160000' ? 'submodule' : 'file';
}
