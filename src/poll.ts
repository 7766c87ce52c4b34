import { RepositoryStuck, type PullResult } from './hooks/pull.js';
import type { Clock } from './lib/clock.js';
import { messageOf, toAgentError, type AgentError } from './lib/errors.js';
import type { Logger } from './lib/log.js';
import type { Reconciled } from './reconcile.js';

/** What one tick does; each call ends when its signal is aborted. */
export interface TickWork {
  /** Pulls with our own hooks off, without our lock. */
  readonly pull: (signal: AbortSignal) => Promise<PullResult>;
  /** Under our lock, clears away what keeps the repository from being pulled; answers what was done, if anything. */
  readonly recover: (signal: AbortSignal) => Promise<readonly string[]>;
  /** One run under our lock, of what is due; it is told why the pull before it failed. */
  readonly run: (signal: AbortSignal, pullError: AgentError | undefined) => Promise<Reconciled>;
  /** Closes what the pull has left open for the run, whether that came or not. */
  readonly close: () => Promise<void>;
}

export interface PollOptions extends TickWork {
  /** The earliest retry after this time, if any. */
  readonly nextDue: (after: Date) => Date | undefined;
  /** Called after each tick. What it throws is logged. */
  readonly onHeartbeat: (tick: Tick, failures: number) => void | Promise<void>;
  readonly intervalMs: number;
  readonly clock: Clock;
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number;
  readonly alarm: Alarm;
  readonly log: Logger;
  /** Aborted when the daemon is to end. */
  readonly signal: AbortSignal;
}

export interface Tick {
  /**
   * - done: pulled, and a run went to its end (jobs may have failed: the record says when they are tried again)
   * - busy: somebody else pulls or runs; no failure, the next tick tries again
   * - failed: the pull or the run itself failed, see `error`
   * - stopped: the daemon is to end
   */
  readonly outcome: 'done' | 'busy' | 'failed' | 'stopped';
  readonly pulled: PullResult | undefined;
  readonly report: Reconciled | undefined;
  readonly error: AgentError | undefined;
}

/** Back-off stops growing here, so that a slave is back soon after its master is. */
export const LONGEST_BACKOFF_MS = 10 * 60_000;
/** A retry that is due at once still leaves the machine a moment. */
const SHORTEST_SLEEP_MS = 1_000;

/**
 * The daemon: tick, sleep, until the signal is aborted. Never throws: whatever a tick throws is logged and counted, and
 * the sleep gets longer with each failure in a row.
 */
export async function poll(options: PollOptions): Promise<void> {
  const { clock, log, signal, alarm } = options;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = clock.now();
    const tick = await pollOnce(options, signal);
    const before = failures;
    failures = countFailures(tick, before);
    logTick(tick, { before, now: failures }, log);
    await quietly(log, 'the heartbeat failed', () => options.onHeartbeat(tick, failures));
    // More may have come while data moved; only a pull that brings nothing says that it has not.
    if (tick.outcome === 'done' && tick.pulled?.outcome === 'changed') continue;
    const due = await quietly(log, 'cannot read when retries are due', () => options.nextDue(startedAt));
    await alarm.sleep(delayUntilNext(options, failures, due), clock, signal);
  }
}

/** One tick: pull, recover when the repository is stuck, run. Never throws. */
export async function pollOnce(work: TickWork, signal: AbortSignal): Promise<Tick> {
  return withSignal(signal, async (own) => {
    try {
      return await pullAndRun(work, own);
    } finally {
      await attempt(() => work.close());
    }
  });
}

async function pullAndRun(work: TickWork, signal: AbortSignal): Promise<Tick> {
  const pull = await attempt(() => pullOrRecover(work, signal));
  if (signal.aborted) return tickOf('stopped', pull);
  if (isBusy(pull.error)) return tickOf('busy', pull);
  // Also after a failed pull: what failed here for a while does not wait for the master to be reachable again.
  const run = await attempt(() => work.run(signal, pull.error));
  if (isAborted(signal)) return tickOf('stopped', pull, run);
  if (pull.error === undefined && isBusy(run.error)) return tickOf('busy', pull, run);
  return tickOf((pull.error ?? run.error) ? 'failed' : 'done', pull, run);
}

/** Ends a sleep early; rung while a tick works, it makes the next tick follow at once. */
export class Alarm {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Waits `ms` milliseconds, until `ring()`, or until the signal is aborted; never rejects because of these. */
  async sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    if (!this.#isRung)
      await withSignal(signal, async (own, wake) => {
        this.#wake = wake;
        try {
          await clock.sleep(ms, own);
        } catch (error) {
          if (!own.aborted) throw error;
        } finally {
          this.#wake = undefined;
        }
      });
    this.#isRung = false;
  }
}

/**
 * Milliseconds to sleep after so many failures in a row: the interval, doubled with each failure up to a bound, with a
 * tenth of jitter either way, so that many slaves do not ask their master in the same second.
 */
export function pollDelay(intervalMs: number, failures: number, random: () => number): number {
  const longest = Math.max(intervalMs, LONGEST_BACKOFF_MS);
  return Math.min(intervalMs * 2 ** failures, longest) * (0.9 + 0.2 * random());
}

function delayUntilNext(options: PollOptions, failures: number, due: Date | undefined): number {
  const delay = pollDelay(options.intervalMs, failures, options.random);
  if (due === undefined) return delay;
  const untilDue = due.getTime() - options.clock.now().getTime();
  return Math.min(delay, Math.max(untilDue, SHORTEST_SLEEP_MS));
}

async function pullOrRecover(work: TickWork, signal: AbortSignal): Promise<PullResult> {
  try {
    return await work.pull(signal);
  } catch (error) {
    if (!(error instanceof RepositoryStuck)) throw error;
    const done = await work.recover(signal);
    // Nothing to clear away: somebody pulls, with our hook perhaps, which takes our lock as soon as it is free.
    if (done.length === 0) throw error;
    return work.pull(signal);
  }
}

/** Failures in a row, this tick included: to be busy is none, and no success either. */
export function countFailures(tick: Tick, before: number): number {
  switch (tick.outcome) {
    case 'done':
      return 0;
    case 'failed':
      return before + 1;
    case 'busy':
    case 'stopped':
      return before;
  }
}

function logTick({ outcome, error }: Tick, failures: { before: number; now: number }, log: Logger): void {
  switch (outcome) {
    case 'done':
      if (failures.before > 0) log.info('polling works again', { failures: failures.before });
      return;
    case 'busy':
      log.info('busy, trying again at the next poll', { message: error?.message });
      return;
    case 'stopped':
      return;
    case 'failed': {
      const { reason, message, hint, cause } = error ?? {};
      const stack = reason === 'bug' && cause instanceof Error ? cause.stack : undefined;
      log.error('poll failed', { failures: failures.now, reason, message, hint, stack });
    }
  }
}

interface Attempt<T> {
  readonly value?: T;
  readonly error?: AgentError;
}

async function attempt<T>(work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: toAgentError(error) };
  }
}

function tickOf(outcome: Tick['outcome'], pull: Attempt<PullResult>, run: Attempt<Reconciled> = {}): Tick {
  return { outcome, pulled: pull.value, report: run.value, error: pull.error ?? run.error };
}

/** Our lock or the VCS's is held by somebody else. */
function isBusy(error: AgentError | undefined): boolean {
  return error?.reason === 'locked';
}

/** As a function: the compiler takes a signal once seen as not aborted to stay so. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/**
 * Hands on a signal of its own, which is aborted with the outer one or when the work has ended: whatever still runs then
 * has no lock any more, and whatever still listens goes with it, while the outer one lives as long as the daemon. (Node 20
 * keeps what AbortSignal.any() made, with all that its listeners hold, until it is aborted.)
 */
async function withSignal<T>(
  outer: AbortSignal,
  work: (signal: AbortSignal, abort: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(outer.reason);
  if (outer.aborted) abort();
  outer.addEventListener('abort', abort);
  try {
    return await work(controller.signal, abort);
  } finally {
    outer.removeEventListener('abort', abort);
    controller.abort();
  }
}

async function quietly<T>(
  log: Logger,
  complaint: string,
  work: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    log.error(complaint, { message: messageOf(error) });
    return undefined;
  }
}
