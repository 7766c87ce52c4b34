import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { diesWithUs, onExit, type OtherUser } from './temp.js';

export interface DaemonOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where stdout and stderr go. */
  readonly logFile: string;
  /** What ends it when this process ends. */
  readonly endSignal: NodeJS.Signals;
  readonly user?: OtherUser | undefined;
  /** Whether it serves yet; asked again and again until it says yes or the daemon is gone. */
  readonly ready: () => Promise<boolean>;
}

export interface Daemon {
  readonly pid: number;
  /** Sends a signal and waits until the process is gone. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

const READY_MS = 30_000;
const GONE_MS = 15_000;

/** Starts a server in the foreground of a session of its own; it ends with this process. Rejects with its log when it does not come up. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(
    'setpriv',
    [...diesWithUs(options.endSignal.slice(3), options.user), options.file, ...options.args],
    {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...options.env },
    },
  );
  closeSync(log);
  child.unref();
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  onExit(() => {
    if (!isRunning(pid)) return;
    process.kill(pid, options.endSignal);
    waitSync(() => !isRunning(pid), GONE_MS);
  });
  const started = await until(async () => (await options.ready()) || !isRunning(pid), READY_MS);
  if (!started || !isRunning(pid))
    throw new Error(`${options.file} did not start:\n${readFileSync(options.logFile, 'utf8').slice(-4_000)}`);
  return {
    pid,
    stop: async (signal) => {
      if (isRunning(pid)) process.kill(pid, signal);
      if (!(await until(() => !isRunning(pid), GONE_MS)))
        throw new Error(`${options.file} did not end after ${signal}`);
    },
  };
}

/** Asks every few milliseconds, at most `limitMs` long; the last answer. */
export async function until(done: () => boolean | Promise<boolean>, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (!(await done())) {
    if (Date.now() > end) return false;
    await sleep(10);
  }
  return true;
}

/** False also for a zombie: in an exit handler Node no longer collects its children. */
export function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return false;
  try {
    return !/\) [ZX]/.test(readFileSync(file, 'utf8'));
  } catch {
    return false;
  }
}

function waitSync(done: () => boolean, limitMs: number): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (const end = Date.now() + limitMs; !done() && Date.now() < end;) Atomics.wait(cell, 0, 0, 10);
}
