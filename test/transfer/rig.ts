import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../../src/lib/clock.js';
import { AgentError } from '../../src/lib/errors.js';
import { silentLogger } from '../../src/lib/log.js';
import { Transfer } from '../../src/transfer/transfer.js';
import type { TransferProgress, TransferSettings } from '../../src/transfer/types.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';

export const never = new AbortController().signal;

export function md5(data: string | Buffer): string {
  return createHash('md5').update(data).digest('hex');
}

/** Bytes that cannot be compressed. */
export function noise(bytes: number): Buffer {
  return randomBytes(bytes);
}

/** What goes wrong after so many bytes have come from the master. */
export interface Fault {
  readonly after?: number;
  readonly pauseMs?: number;
  readonly then?: 'end' | 'kill';
}

/** A master with files that is reached by a real ssh, and a slave's cache. */
export class TransferRig {
  readonly host: string;
  readonly files: string;
  readonly cache: string;
  readonly ssh: string;
  readonly progress: TransferProgress[] = [];
  readonly #logFile: string;
  readonly #open: Transfer[] = [];

  private constructor(parts: { host: string; files: string; cache: string; ssh: string; logFile: string }) {
    this.host = parts.host;
    this.files = parts.files;
    this.cache = parts.cache;
    this.ssh = parts.ssh;
    this.#logFile = parts.logFile;
  }

  static async start(): Promise<TransferRig> {
    const { user, host, sshCommand, dir } = await sshd();
    return new TransferRig({
      host: `${user}@${host}`,
      files: await tempDir('master'),
      cache: join(await tempDir('slave'), 'cache'),
      ssh: sshCommand,
      logFile: join(dir, 'log'),
    });
  }

  /** A new Transfer, as one run makes it. */
  transfer(settings: Partial<TransferSettings> = {}): Transfer {
    const transfer = new Transfer(
      {
        cachePath: this.cache,
        cacheMaxBytes: 1e12,
        ssh: this.ssh,
        shareLayerData: false,
        transfersPerHost: 2,
        timeouts: { connectSeconds: 10, idleSeconds: 20 },
        ...settings,
      },
      { log: silentLogger, clock: systemClock, onProgress: (progress) => this.progress.push(progress) },
    );
    this.#open.push(transfer);
    return transfer;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((transfer) => transfer.close()));
  }

  /** Writes a file on the master; returns its source as a task file names it. */
  async publish(name: string, data: string | Buffer): Promise<string> {
    const path = join(this.files, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, data);
    return `${this.host}:${path}`;
  }

  cached(name: string): Promise<Buffer> {
    return readFile(join(this.cache, name));
  }

  async cachedText(name: string): Promise<string> {
    return (await this.cached(name)).toString();
  }

  /** ssh logins and rsync sessions that the server has seen so far. */
  async counts(): Promise<{ logins: number; sessions: number }> {
    const log = await readFile(this.#logFile, 'utf8');
    return {
      logins: log.split('Accepted publickey').length - 1,
      sessions: log.split('Starting session: command').length - 1,
    };
  }

  /**
   * A program in place of ssh that cannot share connections: it runs ssh, writes what comes from the master to a file, to
   * be counted, and after `after` bytes either pauses, or ends (`kill`: and its rsync by kill -9, too).
   */
  async sshWrapper(fault: Fault = {}): Promise<{ ssh: string; received: () => Promise<number> }> {
    const dir = await tempDir('wrapper');
    const log = join(dir, 'received');
    const program = join(dir, 'ssh.mjs');
    await writeFile(program, wrapper(this.ssh, log, JSON.stringify(fault)));
    return { ssh: `${process.execPath} ${program}`, received: async () => (await readFile(log)).length };
  }
}

function wrapper(ssh: string, log: string, fault: string): string {
  return `
    import { spawn } from 'node:child_process';
    import { appendFileSync } from 'node:fs';
    const args = process.argv.slice(2);
    if (args.includes('-fN')) process.exit(1);
    const fault = ${fault};
    const child = spawn('sh', ['-c', 'exec ${ssh} "$@"', 'ssh', ...args], { stdio: ['inherit', 'pipe', 'inherit'] });
    child.on('exit', (code) => (process.exitCode = code));
    let seen = 0;
    child.stdout.on('data', (chunk) => {
      appendFileSync('${log}', chunk);
      process.stdout.write(chunk);
      const reached = seen < fault.after && seen + chunk.length >= fault.after;
      seen += chunk.length;
      if (!reached) return;
      if (fault.pauseMs) {
        child.stdout.pause();
        setTimeout(() => child.stdout.resume(), fault.pauseMs);
      } else {
        child.stdout.pause();
        child.kill('SIGKILL');
        // What has been written needs a moment to get through. rsync leads its process group.
        setTimeout(() => (fault.then === 'kill' ? process.kill(-process.ppid, 'SIGKILL') : process.exit(255)), 200);
      }
    });
  `;
}

/** The error that a promise must end with. */
export async function failure(promise: Promise<unknown>): Promise<AgentError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
