import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { StringDecoder } from 'node:string_decoder';
import { AgentError, isErrno } from './errors.js';

/**
 * Marks every child of ours in its environment, so that the next run finds orphans of a killed agent
 * (see state/orphans.ts). The value is the state file's path: agents of other repositories are left alone.
 */
export const CHILD_MARK = 'SLAVE_SYNC_CHILD_OF';

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the inherited environment; `undefined` removes a variable. The only way to hand over a secret. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** The whole group gets TERM after this many milliseconds, and KILL after `graceMs` more. */
  readonly timeoutMs?: number;
  readonly graceMs?: number;
  /** Called when TERM was not enough and the group is killed. */
  readonly onKill?: (() => void) | undefined;
  readonly input?: string | Uint8Array;
  /** Called with each line of stdout as it comes; stdout is then not collected. */
  readonly onLine?: (line: string) => void;
  /** The same for stderr, which is still collected. */
  readonly onErrorLine?: (line: string) => void;
  /** Exit codes that are no failure; [0] unless said otherwise. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly exitCode: number;
}

/** How long the children of a program may outlive it. */
const LEFTOVERS_MS = 2_000;
const MAX_BUFFER = 512 * 1024 * 1024;
const PIPES_AFTER_EXIT_MS = 2_000;

/**
 * Runs an external program to its end: arguments as an array and no shell, in a process group of its own, so that its
 * children end with it. Throws AgentError: 'command-failed' (exit code or signal, with the end of stderr), 'timed-out',
 * 'cancelled' (signal aborted), 'command-failed' with a hint when the program is not installed.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  // Loading it takes longer than all the rest of a pull that has nothing for this slave, which runs no program to its end.
  const { execa } = await import('execa');
  options.signal?.throwIfAborted();
  const child = execa(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? {},
    detached: true,
    reject: false,
    encoding: 'buffer',
    stripFinalNewline: false,
    maxBuffer: MAX_BUFFER,
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    ...(options.onLine ? { buffer: { stdout: false, stderr: true } } : {}),
  });
  const ending = endGroup(child, options);
  letGoAfterExit(child);
  if (options.onLine) readLines(child.stdout, options.onLine);
  if (options.onErrorLine) readLines(child.stderr, options.onErrorLine);
  const result = await child.finally(ending.stop);
  const stderr = Buffer.from(result.stderr).toString('utf8');
  const name = file.split('/').at(-1) ?? file;
  if (isErrno(result.cause, 'ENOENT') || result.code === 'ENOENT')
    throw new AgentError('command-failed', `${name} is not installed`, {
      retry: 'final',
      hint: `Install ${name}, or put it on the PATH of this service.`,
      cause: result,
    });
  if (ending.why() === 'timeout')
    throw new AgentError('timed-out', `${name} took longer than ${options.timeoutMs ?? 0} ms`, {
      retry: 'transient',
      cause: result,
    });
  if (ending.why() === 'cancelled')
    throw new AgentError('cancelled', `${name} was stopped`, { retry: 'transient' });
  if (result.exitCode === undefined || !(options.okCodes ?? [0]).includes(result.exitCode)) {
    const how = result.signal
      ? `was ended by ${result.signal}`
      : `exited with ${result.exitCode ?? 'an error'}`;
    throw new CommandFailed(
      `${name} ${how}: ${tail(stderr === '' ? (result.originalMessage ?? 'no message') : stderr)}`,
      {
        exitCode: result.exitCode,
        stderr,
        stdout: options.onLine ? '' : Buffer.from(result.stdout).toString('utf8'),
      },
    );
  }
  return {
    stdout: options.onLine ? Buffer.alloc(0) : Buffer.from(result.stdout),
    stderr,
    exitCode: result.exitCode,
  };
}

/** A program that ran and failed; callers that know its exit codes classify it further. */
export class CommandFailed extends AgentError {
  readonly exitCode: number | undefined;
  readonly stderr: string;
  readonly stdout: string;

  constructor(message: string, facts: Pick<CommandFailed, 'exitCode' | 'stderr' | 'stdout'>) {
    super('command-failed', message, { retry: 'transient' });
    this.exitCode = facts.exitCode;
    this.stderr = facts.stderr;
    this.stdout = facts.stdout;
  }
}

export interface Server {
  readonly pid: number;
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: NodeJS.ReadableStream;
  /** The end of what it wrote to stderr so far. */
  stderr(): string;
  /** Closes stdin, waits for the exit, ends the group when that takes too long. */
  stop(): Promise<void>;
  readonly exited: Promise<number | undefined>;
}

/**
 * Starts a program that is talked to over its pipes (Mercurial's command server, `git cat-file --batch`). One that is not
 * installed has the pid 0, and has exited.
 */
export function start(file: string, args: readonly string[], options: RunOptions = {}): Server {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: 'pipe',
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString('utf8')).slice(-16_384)));
  // Whoever writes to a program that has gone hears of it by its exit.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  const ending = endGroup(child, options);
  letGoAfterExit(child);
  const exited = new Promise<number | undefined>((resolve) => {
    child.once('close', (code) => resolve(code ?? undefined));
    child.once('error', () => resolve(undefined));
  }).finally(ending.stop);
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: () => stderr,
    exited,
    stop: async () => {
      child.stdin.end();
      const timers = [
        setTimeout(() => killGroup(child.pid, 'SIGTERM'), 2_000),
        setTimeout(() => killGroup(child.pid, 'SIGKILL'), 7_000),
      ];
      await exited.finally(() => timers.forEach((timer) => clearTimeout(timer)));
    },
  };
}

/** Given to whoever runs in our place. */
const HANDED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const;

/**
 * Runs a program in place of this process: on our input (unless one is given) and output, in our process group, with the
 * signals that we get. Ends with this process, also when that is killed. Answers its exit code; 128 + n when signal n ended it.
 */
export async function runInPlace(
  file: string,
  args: readonly string[],
  { env, input }: Pick<RunOptions, 'env'> & { readonly input?: string | undefined },
): Promise<number> {
  const { execa } = await import('execa');
  const child = execa('setpriv', ['--pdeathsig', 'TERM', '--', file, ...args], {
    env: env ?? {},
    reject: false,
    stdout: 'inherit',
    stderr: 'inherit',
    ...(input === undefined ? { stdin: 'inherit' } : { input }),
  });
  const handOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of HANDED_ON) process.on(signal, handOn);
  const result = await child;
  for (const signal of HANDED_ON) process.off(signal, handOn);
  if (result.exitCode !== undefined) return result.exitCode;
  if (result.signal !== undefined) return 128 + constants.signals[result.signal];
  throw new AgentError('command-failed', `${file} could not be started`, {
    retry: 'final',
    hint: 'Install util-linux, for setpriv.',
    cause: result.cause,
  });
}

/**
 * Sends a signal to a process group; a group that is gone is no error, nor is one of another user's processes alone, which
 * are not ours to end (BORG_SSH may be `sudo -u borg ssh`).
 */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) throw error;
  }
}

/** The last lines of a program's output, short enough for a message. */
export function tail(text: string, limit = 2_000): string {
  const trimmed = text.trim();
  return trimmed.length <= limit ? trimmed : `… ${trimmed.slice(-limit)}`;
}

function endGroup(child: ChildProcess, options: RunOptions) {
  const { pid } = child;
  let reason: 'timeout' | 'cancelled' | undefined;
  let killer: NodeJS.Timeout | undefined;
  const end = (why: 'timeout' | 'cancelled'): void => {
    reason ??= why;
    killGroup(pid, 'SIGTERM');
    killer ??= setTimeout(() => {
      options.onKill?.();
      killGroup(pid, 'SIGKILL');
    }, options.graceMs ?? 5_000);
  };
  const onAbort = (): void => end('cancelled');
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), options.timeoutMs);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  // What it leaves behind in its group may hold its output open, and one would wait for that for ever.
  let leftovers: NodeJS.Timeout | undefined;
  child.once('exit', () => (leftovers = setTimeout(() => killGroup(pid, 'SIGKILL'), LEFTOVERS_MS)));
  return {
    why: () => reason,
    stop: () => {
      clearTimeout(leftovers);
      clearTimeout(timer);
      clearTimeout(killer);
      options.signal?.removeEventListener('abort', onAbort);
      // Asked to end, the program has; a child of it that ignored TERM has not.
      if (reason !== undefined) killGroup(pid, 'SIGKILL');
    },
  };
}

/**
 * A program's background children (ssh with ControlPersist, an orphaned hook) inherit its pipes and may hold them for
 * hours: once it has exited, what it wrote is read, and nobody else's end is waited for.
 */
function letGoAfterExit(child: Pick<ChildProcess, 'once' | 'stdout' | 'stderr'>): void {
  child.once('exit', () => {
    const timer = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, PIPES_AFTER_EXIT_MS);
    child.once('close', () => clearTimeout(timer));
  });
}

function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  // A character of several bytes may be cut between two chunks.
  const decoder = new StringDecoder('utf8');
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
