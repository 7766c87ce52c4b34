import { access, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { CommandFailed, run } from '../lib/process.js';
import { makeTemporaryFolder, TEMPORARY_NAME_BYTES } from '../lib/temporary.js';
import { connectionError, isRefusedConnection } from './errors.js';
import { sshHost } from './source.js';

/** Unix sockets allow about 104 bytes; ssh appends 17 while it makes one. */
const MAX_SOCKET_PATH = 86;
/** An orphan of a killed agent ends by itself after this long without a session. */
const PERSIST_SECONDS = 60;

/** Nobody is there to type a passphrase or to confirm a host key, whatever a desktop's settings say. */
export const NO_QUESTIONS = { SSH_ASKPASS_REQUIRE: 'never' } as const;

/**
 * One ssh connection per host (ControlMaster), that every rsync to the host shares: a handshake costs more than most
 * transfers. Where sharing does not work (a wrapper that is not OpenSSH, an own ControlMaster in the ssh command, no
 * folder with a short enough path), each rsync connects by itself.
 */
export class SshConnections {
  readonly #words: readonly string[];
  readonly #connectSeconds: number;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #sockets = new Map<string, Promise<string | undefined>>();
  readonly #shared: boolean;
  #dir: Promise<string | undefined> | undefined;
  #count = 0;

  /** @param deps.signal ends attempts to connect */
  constructor(
    words: readonly string[],
    deps: { readonly connectSeconds: number; readonly log: Logger; readonly signal: AbortSignal },
  ) {
    this.#words = words;
    this.#signal = deps.signal;
    this.#connectSeconds = deps.connectSeconds;
    this.#log = deps.log;
    this.#shared = !words.some((word) => /^(-[SM]|(-o)?Control)/i.test(word));
  }

  /**
   * The ssh command for rsync to this host, with the shared connection opened if need be. AgentError 'connection' when
   * ssh says that it cannot connect at all.
   */
  async command(host: string): Promise<readonly string[]> {
    const socket = await this.#socket(host);
    if (socket === undefined) return this.#words;
    return [...this.#words, '-o', 'ControlMaster=no', '-o', `ControlPath=${socket}`];
  }

  /** Forgets the connection after a failure, so that the next call makes a new one; sessions that run over it end in peace. */
  async drop(host: string): Promise<void> {
    const socket = this.#sockets.get(host);
    this.#sockets.delete(host);
    await this.#end(host, await socket?.catch(() => undefined), 'stop');
  }

  /** Ends the connections and removes the folder of their sockets. */
  async close(): Promise<void> {
    const open = [...this.#sockets];
    this.#sockets.clear();
    await Promise.all(
      open.map(async ([host, socket]) => this.#end(host, await socket.catch(() => undefined), 'exit')),
    );
    const dir = await this.#dir;
    this.#dir = undefined;
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }

  async #socket(host: string): Promise<string | undefined> {
    if (!this.#shared) return undefined;
    const known = this.#sockets.get(host);
    if (known && (await this.#stands(known))) return known;
    // Another caller may have begun to connect while we looked.
    const begun = this.#sockets.get(host);
    if (begun && begun !== known) return begun;
    const opened = this.#open(host);
    this.#sockets.set(host, opened);
    // A host that cannot be reached is tried anew by the next call.
    opened.catch(() => {
      if (this.#sockets.get(host) === opened) this.#sockets.delete(host);
    });
    return opened;
  }

  /** ssh removes the socket when the connection ends; where sharing did not work there is none to look for. */
  async #stands(known: Promise<string | undefined>): Promise<boolean> {
    const socket = await known;
    return socket === undefined || exists(socket);
  }

  async #open(host: string): Promise<string | undefined> {
    this.#dir ??= socketDir();
    const dir = await this.#dir;
    if (dir === undefined) return undefined;
    const socket = join(dir, String(this.#count++));
    const options = ['ControlMaster=yes', `ControlPath=${socket}`, `ControlPersist=${PERSIST_SECONDS}`];
    try {
      // -f: goes to the background when the connection stands; -N: without a session of its own.
      await this.#ssh([...options.flatMap((option) => ['-o', option]), '-fN', sshHost(host)], this.#signal);
    } catch (error) {
      if (error instanceof CommandFailed && error.exitCode === 255 && isRefusedConnection(error.stderr))
        throw connectionError(host, error.stderr, error);
      if (error instanceof AgentError && error.reason === 'cancelled') throw error;
      if (error instanceof AgentError && error.reason === 'timed-out')
        throw connectionError(host, `no connection after ${this.#connectSeconds} s (timed out)`, error);
      this.#log.debug('ssh connection is not shared', { host, cause: String(error) });
      return undefined;
    }
    return (await exists(socket)) ? socket : undefined;
  }

  async #end(host: string, socket: string | undefined, how: 'stop' | 'exit'): Promise<void> {
    if (socket === undefined || !(await exists(socket))) return;
    await this.#ssh(['-o', `ControlPath=${socket}`, '-O', how, sshHost(host)]).catch((error: unknown) =>
      this.#log.debug('shared ssh connection was gone already', { host, cause: String(error) }),
    );
    await rm(socket, { force: true });
  }

  async #ssh(args: readonly string[], signal?: AbortSignal): Promise<void> {
    const [program = 'ssh', ...rest] = this.#words;
    await run(program, [...rest, ...args], {
      env: NO_QUESTIONS,
      signal,
      timeoutMs: this.#connectSeconds * 1000,
      graceMs: 1000,
    });
  }
}

/** A new folder of mode 0700 with a path short enough for a socket; undefined when there is none. */
async function socketDir(): Promise<string | undefined> {
  for (const base of [tmpdir(), '/tmp']) {
    if (Buffer.byteLength(base) + TEMPORARY_NAME_BYTES + '//1234'.length > MAX_SOCKET_PATH) continue;
    const dir = await makeTemporaryFolder(base).catch(() => undefined);
    if (dir !== undefined) return dir;
  }
  return undefined;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
