import { AgentError } from '../../lib/errors.js';
import { tail } from '../../lib/process.js';
import type { Logger } from '../../lib/log.js';
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
import { CommandServer } from './command-server.js';

const NODE_LENGTH = 40;

/** `<size> <path>NUL<bytes>`, as the template of `read` writes it. */
const FILE_RECORD: RecordFormat = {
  delimiter: 0,
  trailer: 0,
  header: (text) => {
    const space = text.indexOf(' ');
    return { key: text.toString('utf8', space + 1), size: Number(text.toString('latin1', 0, space)) };
  },
};

/** Opens a Mercurial repository; inside a hook its pending changesets are visible. */
export async function openMercurial(root: string, options: OpenOptions): Promise<StateRepository> {
  const server = await CommandServer.open(root, options.env, options.signal);
  return new MercurialRepository(root, options.branch ?? 'default', server, options);
}

class MercurialRepository implements StateRepository {
  readonly vcs = 'hg';
  readonly root: string;
  readonly branch: string;
  readonly #server: CommandServer;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Logger;

  constructor(
    root: string,
    branch: string,
    server: CommandServer,
    options: { readonly env: NodeJS.ProcessEnv; readonly log: Logger },
  ) {
    this.root = root;
    this.branch = branch;
    this.#server = server;
    this.#env = options.env;
    this.#log = options.log;
  }

  // `hg log -r <branch>` would answer the head with the highest local number, which differs from slave to slave; and
  // HG_NODE is the first new changeset, on whatever branch.
  async target(): Promise<string> {
    const branch = `branch(${quoteRevset(`literal:${this.branch}`)})`;
    const { stdout, exitCode, stderr } = await this.#text([
      'log',
      '-r',
      `head() and ${branch} and not closed()`,
      '-T',
      '{node}\n',
    ]);
    if (exitCode !== 0) throw this.#branchError(stderr);
    const heads = stdout.split('\n').filter((line) => line !== '');
    const [head] = heads;
    if (head === undefined)
      throw new AgentError('missing-at-source', `all heads of branch ${this.branch} are closed`, {
        retry: 'remote',
        hint: 'Set STATE_BRANCH to the branch that the master commits to.',
      });
    if (heads.length > 1)
      throw new AgentError(
        'conflict',
        `branch ${this.branch} has ${heads.length} open heads: ${heads.map((node) => node.slice(0, 12)).join(', ')}`,
        { retry: 'remote', hint: 'Merge them, or close all but one, at the master.' },
      );
    return head;
  }

  async manifest(revision: string): Promise<Manifest> {
    const output = await this.#bytes(['manifest', '-r', revision, '-T', '{hash} {type} {path}\\0']);
    const entries: ManifestEntry[] = [];
    const undecodable: string[] = [];
    for (const item of splitAtNul(output)) {
      const afterType = item.indexOf(' ', NODE_LENGTH + 1) + 1;
      const pathBytes = item.subarray(afterType);
      const path = decodeUtf8(pathBytes);
      if (path === undefined) undecodable.push(escapeBytes(pathBytes));
      else
        entries.push({
          path,
          blobId: item.toString('latin1', 0, NODE_LENGTH),
          type: item[NODE_LENGTH + 1] === '@'.charCodeAt(0) ? 'symlink' : 'file',
        });
    }
    return { entries, undecodable };
  }

  async read(revision: string, files: readonly (string | ManifestEntry)[]): Promise<Map<string, Buffer>> {
    const wanted = new Set(files.map((file) => (typeof file === 'string' ? file : file.path)));
    const found = new Map<string, Buffer>();
    if (wanted.size === 0) return found;
    const reader = new RecordReader(FILE_RECORD, MAX_FILE_BYTES, (path, content) => {
      // A wanted path may be a folder at this revision, which `path:` matches with all that is in it.
      if (!wanted.has(path)) return;
      if (content === 'too-large') this.#log.warn('file is too large to be read', { path });
      else found.set(path, content);
    });
    const { exitCode, stderr } = await this.#server.run(
      // Without `path:` a name like `set:x` or `glob:*` would be read as a pattern.
      [
        'cat',
        '-r',
        revision,
        '-T',
        '{data|count} {path}\\0{data}',
        ...Array.from(wanted, (path) => `path:${path}`),
      ],
      (part) => reader.push(part),
    );
    // Exit code 1: none of them is in this revision.
    if ((exitCode !== 0 && exitCode !== 1) || !reader.complete) throw failed('cat', exitCode, stderr);
    return found;
  }

  async rootId(revision: string): Promise<string | undefined> {
    const roots = await this.#bytes(['log', '-r', `roots(ancestors(${revision}))`, '-T', '{node}\n']);
    return roots.toString('latin1').trim().split('\n').sort().join(',');
  }

  async fetch(options: PullOptions): Promise<void> {
    const { fetchMercurial, hooksToSwitchOff } = await import('./fetch.js');
    const { stdout } = await this.#text(['config', 'hooks', '-T', '{name}\\0{value}\\0']);
    await fetchMercurial(this, hooksToSwitchOff(stdout), this.#env, this.#log, options);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  async #text(args: readonly string[]) {
    const parts: Buffer[] = [];
    const result = await this.#server.run(args, (part) => parts.push(part));
    return { ...result, stdout: Buffer.concat(parts).toString('utf8') };
  }

  async #bytes(args: readonly string[]): Promise<Buffer> {
    const parts: Buffer[] = [];
    const { exitCode, stderr } = await this.#server.run(args, (part) => parts.push(part));
    if (exitCode !== 0) throw failed(args[0] ?? '', exitCode, stderr);
    return Buffer.concat(parts);
  }

  #branchError(stderr: string): AgentError {
    if (!/branch .* does not exist|unknown revision/.test(stderr)) return failed('log', 255, stderr);
    return new AgentError('invalid-config', `the state repository has no branch ${this.branch}`, {
      retry: 'remote',
      hint: 'Set STATE_BRANCH to a branch that exists; a new clone may still have to be pulled.',
    });
  }
}

function failed(command: string, exitCode: number, stderr: string): AgentError {
  return new AgentError('command-failed', `hg ${command} exited with ${exitCode}: ${tail(stderr)}`, {
    retry: 'transient',
  });
}

/** A string of Mercurial's revision language, whatever it holds. */
function quoteRevset(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
