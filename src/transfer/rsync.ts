import { AgentError, toAgentError } from '../lib/errors.js';
import { CommandFailed, run } from '../lib/process.js';
import { NO_QUESTIONS } from './connection.js';
import { diskFull, isDiskFull, rsyncError } from './errors.js';
import { forRsync } from './ssh-command.js';

export interface RsyncCall {
  /** The host as messages name it. */
  readonly host: string;
  /** ssh as words; undefined: both ends are on this machine. */
  readonly ssh: readonly string[] | undefined;
  /** A folder, `host:/folder/` or `/folder/`. */
  readonly from: string;
  readonly to: string;
  /** Paths below `from`; they arrive at the same place below `to`. Never part of a command line. */
  readonly paths: readonly string[];
  readonly options: readonly string[];
  readonly idleSeconds: number;
  readonly signal: AbortSignal;
  /** A file has come over; it may be put in its place only a moment later. A folder's path ends with `/`. */
  readonly onFile?: (path: string) => void;
  readonly onBytes?: (bytes: number, percent: number) => void;
}

export interface RsyncOutcome {
  /** Why the call as a whole failed; undefined when only single files did, or none. */
  readonly failure: AgentError | undefined;
  /** Some files failed; `stderr` says which. */
  readonly partial: boolean;
  readonly stderr: string;
}

/** Some files were not transferred: 23 an error, 24 they vanished. The others are fine. */
const PARTIAL = [23, 24];

/** `--progress`-like lines: bytes, percentage, rate, time. */
const PROGRESS = /^\s*(\d+)\s+(\d+)%\s/;
const FILE = /^file (.+)$/;

/**
 * One rsync call. The names of files go through stdin, separated by NUL, so that none becomes an option or a word of a
 * shell, here or there. Never throws for what rsync reports: see `RsyncOutcome`; a call that was cancelled throws.
 */
export async function rsync(call: RsyncCall): Promise<RsyncOutcome> {
  const watchdog = new Watchdog(call);
  try {
    const result = await run('rsync', argumentsOf(call), {
      // Settings of a login shell must not change what our arguments mean.
      env: {
        ...NO_QUESTIONS,
        LC_ALL: 'C.UTF-8',
        RSYNC_RSH: undefined,
        RSYNC_PARTIAL_DIR: undefined,
        RSYNC_ICONV: undefined,
      },
      input: call.paths.map((path) => `${path}\0`).join(''),
      okCodes: [0, ...PARTIAL],
      signal: watchdog.signal,
      onLine: (line) => {
        watchdog.alive();
        readLine(line, call);
      },
    });
    const failure = isDiskFull(result.stderr) ? diskFull(result.stderr, undefined) : undefined;
    return { failure, partial: result.exitCode !== 0, stderr: result.stderr };
  } catch (error) {
    if (call.signal.aborted) throw error;
    if (error instanceof CommandFailed)
      return failed(rsyncError(call.host, error.exitCode, error.stderr, error), error.stderr);
    if (watchdog.bit)
      return failed(
        new AgentError('timed-out', `rsync with ${call.host} moved nothing for too long`, {
          retry: 'transient',
          cause: error,
        }),
      );
    return failed(toAgentError(error));
  } finally {
    watchdog.stop();
  }
}

function failed(failure: AgentError, stderr = ''): RsyncOutcome {
  return { failure, partial: false, stderr };
}

function argumentsOf(call: RsyncCall): string[] {
  return [
    ...call.options,
    '--files-from=-',
    '--from0',
    // Names as they are, lines as they come, numbers without separators: what readLine() reads.
    '--8-bit-output',
    '--outbuf=L',
    '--no-human-readable',
    '--info=progress2',
    '--out-format=file %n',
    `--timeout=${call.idleSeconds}`,
    ...(call.ssh ? ['-e', forRsync(call.ssh)] : []),
    call.from,
    call.to,
  ];
}

function readLine(line: string, call: RsyncCall): void {
  const file = FILE.exec(line)?.[1];
  if (file !== undefined) return call.onFile?.(file);
  const progress = PROGRESS.exec(line);
  if (progress) call.onBytes?.(Number(progress[1]), Number(progress[2]));
}

/**
 * Ends an rsync that hangs in spite of its own `--timeout` (a stopped process, a wrapper around it). It waits longer than
 * that, since rsync is silent while it reads the old version of a large file.
 */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #call: RsyncCall;
  readonly #onAbort = (): void => this.#controller.abort();
  readonly #timer: NodeJS.Timeout;
  bit = false;

  constructor(call: RsyncCall) {
    this.#call = call;
    this.#timer = setTimeout(
      () => {
        this.bit = true;
        this.#controller.abort();
      },
      (call.idleSeconds * 3 + 5) * 1000,
    );
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (call.signal.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  alive(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#call.signal.removeEventListener('abort', this.#onAbort);
  }
}
