import { AgentError } from '../../lib/errors.js';
import { killGroup, start, tail, type Server } from '../../lib/process.js';
import { mercurialBinary, mercurialEnvironment } from '../environment.js';
import { FrameReader } from './frames.js';

export interface HgResult {
  readonly exitCode: number;
  readonly stderr: string;
}

interface Pending {
  readonly onOutput: (part: Buffer) => void;
  readonly stderr: Buffer[];
  readonly resolve: (result: HgResult) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** Reading takes no lock, so that nothing but a broken disk or a stopped process makes a command this slow. */
const COMMAND_TIMEOUT_MS = 10 * 60_000;
const START_TIMEOUT_MS = 2 * 60_000;

/**
 * One Mercurial process for all commands of a run: an `hg` process takes about 120 ms to start, a command here 3 ms.
 * It sees a hook's incoming changesets only when it is started inside that hook.
 * Source of the protocol: https://wiki.mercurial-scm.org/CommandServer
 */
export class CommandServer {
  readonly #server: Server;
  readonly #signal: AbortSignal | undefined;
  #pending: Pending | undefined;
  #hello: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #dead: AgentError | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(server: Server, signal: AbortSignal | undefined) {
    this.#server = server;
    this.#signal = signal;
    const frames = new FrameReader((channel, part, last) => this.#onFrame(channel, part, last));
    server.stdout.on('data', (chunk: Buffer) => frames.push(chunk));
    void server.exited.then(() => this.#die());
  }

  /** Starts the server in a repository; throws AgentError 'command-failed' when Mercurial can't serve it. */
  static async open(root: string, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<CommandServer> {
    signal?.throwIfAborted();
    const server = new CommandServer(
      start(mercurialBinary(env), ['serve', '--cmdserver', 'pipe', '-R', root], {
        cwd: root,
        env: mercurialEnvironment(env, root),
        signal,
      }),
      signal,
    );
    const timer = setTimeout(() => {
      server.#hello?.reject(new AgentError('timed-out', 'hg serve did not start', { retry: 'transient' }));
      killGroup(server.#server.pid, 'SIGKILL');
    }, START_TIMEOUT_MS);
    try {
      await new Promise<void>((resolve, reject) => (server.#hello = { resolve, reject }));
    } finally {
      clearTimeout(timer);
    }
    return server;
  }

  /**
   * Runs one command (`['log', '-r', 'tip']`) and hands its output on as it comes. Commands wait for each other.
   * Answers any exit code; throws AgentError when the server ends ('command-failed') or does not answer ('timed-out').
   */
  async run(args: readonly string[], onOutput: (part: Buffer) => void): Promise<HgResult> {
    const turn = this.#last.then(() => this.#send(args, onOutput));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#server.stop();
  }

  async #send(args: readonly string[], onOutput: (part: Buffer) => void): Promise<HgResult> {
    if (this.#dead) throw this.#dead;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const name = args[0] ?? '';
        reject(new AgentError('timed-out', `hg ${name} did not answer`, { retry: 'transient' }));
        killGroup(this.#server.pid, 'SIGKILL');
      }, COMMAND_TIMEOUT_MS);
      this.#pending = { onOutput, stderr: [], resolve, reject, timer };
      const text = Buffer.from(args.join('\0'), 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      this.#server.stdin.write(Buffer.concat([Buffer.from('runcommand\n'), length, text]));
    });
  }

  #onFrame(channel: string, part: Buffer, last: boolean): void {
    if (this.#hello) {
      if (!last) return;
      this.#hello.resolve();
      this.#hello = undefined;
      return;
    }
    if (/[A-Z]/.test(channel)) {
      // A question to the user: answered with "end of input".
      this.#server.stdin.write(Buffer.alloc(4));
      return;
    }
    const pending = this.#pending;
    if (channel === 'o') pending?.onOutput(part);
    else if (channel === 'e') pending?.stderr.push(part);
    else if (channel === 'r' && pending) {
      this.#pending = undefined;
      clearTimeout(pending.timer);
      pending.resolve({
        exitCode: part.readInt32BE(0),
        stderr: Buffer.concat(pending.stderr).toString('utf8'),
      });
    }
  }

  #die(): void {
    this.#dead = this.#causeOfDeath();
    this.#hello?.reject(this.#dead);
    this.#hello = undefined;
    if (this.#pending) clearTimeout(this.#pending.timer);
    this.#pending?.reject(this.#dead);
    this.#pending = undefined;
  }

  #causeOfDeath(): AgentError {
    if (this.#signal?.aborted)
      return new AgentError('cancelled', 'reading the repository was stopped', { retry: 'transient' });
    if (this.#server.pid === 0)
      return new AgentError('command-failed', 'hg is not installed', {
        retry: 'final',
        hint: 'Install Mercurial, or put hg on the PATH of this service.',
      });
    const message = tail(this.#server.stderr()) || 'no message';
    return new AgentError('command-failed', `Mercurial's command server ended: ${message}`, {
      retry: 'transient',
    });
  }
}
