import { getEventListeners } from 'node:events';
import { setImmediate as breathe, setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { RepositoryStuck, type PullResult } from '../src/hooks/pull.js';
import { systemClock, type Clock } from '../src/lib/clock.js';
import { AgentError } from '../src/lib/errors.js';
import { silentLogger, type Logger } from '../src/lib/log.js';
import {
  Alarm,
  LONGEST_BACKOFF_MS,
  poll,
  pollDelay,
  pollOnce,
  type PollOptions,
  type Tick,
} from '../src/poll.js';
import type { Reconciled } from '../src/reconcile.js';

const INTERVAL_MS = 60_000;
const REVISION = 'a'.repeat(40);
const unchanged: PullResult = { outcome: 'unchanged', revision: REVISION };
const changed: PullResult = { outcome: 'changed', revision: REVISION };
const report: Reconciled = { revision: REVISION, results: [], unchanged: 1, ignored: 0 };
const unreachable = new AgentError('connection', 'ssh: no route to host', { retry: 'transient' });
const held = new AgentError('locked', 'another run holds the lock', { retry: 'transient' });

/** Time passes only in sleeps, which are noted. */
class FakeClock implements Clock {
  readonly sleeps: number[] = [];
  #now = Date.parse('2026-01-01T00:00:00Z');

  now(): Date {
    return new Date(this.#now);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    this.#now += ms;
    await breathe();
    signal?.throwIfAborted();
  }
}

/** What the calls of a collaborator answer, one after the other; the last one again and again. */
function answers<T>(calls: string[], name: string, ...results: (T | Error)[]): () => Promise<T> {
  let n = 0;
  return async () => {
    calls.push(name);
    const result = results[Math.min(n, results.length - 1)];
    n += 1;
    await breathe();
    if (result instanceof Error) throw result;
    return result!;
  };
}

interface Daemon {
  readonly calls: string[];
  readonly clock: FakeClock;
  readonly ticks: { readonly tick: Tick; readonly failures: number }[];
}

/** Runs the daemon for so many ticks. */
async function daemon(ticks: number, changes: Partial<PollOptions> = {}): Promise<Daemon> {
  const calls: string[] = [];
  const clock = new FakeClock();
  const controller = new AbortController();
  const seen: Daemon['ticks'] = [];
  await poll({
    pull: answers(calls, 'pull', unchanged),
    recover: answers<string[]>(calls, 'recover', []),
    run: answers(calls, 'run', report),
    close: () => Promise.resolve(),
    nextDue: () => undefined,
    intervalMs: INTERVAL_MS,
    clock,
    random: () => 0.5,
    alarm: new Alarm(),
    log: silentLogger,
    signal: controller.signal,
    ...changes,
    onHeartbeat: async (tick, failures) => {
      seen.push({ tick, failures });
      if (seen.length === ticks) controller.abort();
      await changes.onHeartbeat?.(tick, failures);
    },
  });
  return { calls, clock, ticks: seen };
}

const outcomes = ({ ticks }: Daemon): string[] => ticks.map(({ tick }) => tick.outcome);

describe('poll', () => {
  it('pulls, runs and sleeps for the interval', async () => {
    const { calls, clock } = await daemon(3);
    expect(calls).to.deep.equal(['pull', 'run', 'pull', 'run', 'pull', 'run']);
    expect(clock.sleeps).to.deep.equal([INTERVAL_MS, INTERVAL_MS]);
  });

  it('goes on at once until a pull brings nothing', async () => {
    const pull = answers<PullResult>([], 'pull', changed, changed, unchanged);
    const { clock } = await daemon(5, { pull });
    expect(clock.sleeps).to.deep.equal([INTERVAL_MS, INTERVAL_MS]);
  });

  it('waits longer after each failure in a row, and no longer than the bound', async () => {
    const pull = answers<PullResult>([], 'pull', ...Array<Error>(6).fill(unreachable), unchanged);
    const { clock, ticks } = await daemon(8, { pull });
    expect(clock.sleeps.map((ms) => ms / 1_000)).to.deep.equal([120, 240, 480, 600, 600, 600, 60]);
    expect(ticks.map(({ failures }) => failures)).to.deep.equal([1, 2, 3, 4, 5, 6, 0, 0]);
  });

  it('applies what is due although the pull failed', async () => {
    const calls: string[] = [];
    const run = answers(calls, 'run', report);
    const { ticks } = await daemon(1, { pull: answers<PullResult>([], 'pull', unreachable), run });
    expect(calls).to.deep.equal(['run']);
    expect(ticks[0]!.tick).to.include({ outcome: 'failed', report, error: unreachable });
  });

  it('survives whatever a tick throws, and says it with its stack', async () => {
    const logged: { message: string; fields: unknown }[] = [];
    const log: Logger = {
      ...silentLogger,
      error: (message, fields) => logged.push({ message, fields }),
    };
    const run = answers<Reconciled>([], 'run', new TypeError('x is undefined'), report);
    const { ticks } = await daemon(2, {
      run,
      log,
      nextDue: () => {
        throw new Error('the record is gone');
      },
      onHeartbeat: () => Promise.reject(new Error('the disk is full')),
    });
    expect(ticks.map(({ tick, failures }) => [tick.outcome, failures])).to.deep.equal([
      ['failed', 1],
      ['done', 0],
    ]);
    const [first, ...others] = logged;
    expect(first).to.deep.include({ message: 'poll failed' });
    expect(first?.fields).to.include({ reason: 'bug', message: 'x is undefined', failures: 1 });
    expect(first?.fields).to.have.property('stack').that.includes('poll.test.ts');
    expect(others.map(({ fields }) => fields)).to.deep.include({ message: 'the disk is full' });
    expect(others.map(({ fields }) => fields)).to.deep.include({ message: 'the record is gone' });
  });

  it('tries again at the next tick when another run holds the lock', async () => {
    const run = answers<Reconciled>([], 'run', held, held, report);
    const found = await daemon(3, { run, pull: answers<PullResult>([], 'pull', changed, unchanged) });
    expect(outcomes(found)).to.deep.equal(['busy', 'busy', 'done']);
    expect(found.ticks.map(({ failures }) => failures)).to.deep.equal([0, 0, 0]);
    expect(found.clock.sleeps).to.deep.equal([INTERVAL_MS, INTERVAL_MS]);
  });

  it('counts neither a failure nor a success while it is busy', async () => {
    const pull = answers<PullResult>([], 'pull', unreachable, held, unreachable);
    const { ticks } = await daemon(3, { pull });
    expect(ticks.map(({ failures }) => failures)).to.deep.equal([1, 1, 2]);
  });

  it('is up for the earliest retry, and only for those that the run could not try', async () => {
    const asked: Date[] = [];
    const clock = new FakeClock();
    const start = clock.now().getTime();
    const { ticks } = await daemon(3, {
      clock,
      nextDue: (after) => {
        asked.push(after);
        return new Date(start + 5_000);
      },
    });
    expect(ticks).to.have.length(3);
    expect(asked.map((date) => date.getTime() - start)).to.deep.equal([0, 5_000, 6_000]);
    // Due already: a second all the same, so that a retry that never comes off cannot make a busy loop.
    expect(clock.sleeps.slice(0, 2)).to.deep.equal([5_000, 1_000]);
  });

  it('sleeps no longer for a retry that is far away', async () => {
    const clock = new FakeClock();
    await daemon(2, { clock, nextDue: () => new Date(clock.now().getTime() + 24 * 3_600_000) });
    expect(clock.sleeps).to.deep.equal([INTERVAL_MS]);
  });

  for (const where of ['pull', 'run'] as const)
    it(`ends when it is stopped during the ${where}, and starts nothing after it`, async () => {
      const calls: string[] = [];
      const controller = new AbortController();
      const hang = async (signal: AbortSignal): Promise<never> => {
        calls.push(`${where} hangs`);
        setTimeout(() => controller.abort(), 1).unref();
        await delay(10_000, undefined, { signal });
        throw new Error('was not stopped');
      };
      const { ticks } = await daemon(99, {
        pull: answers(calls, 'pull', unchanged),
        run: answers(calls, 'run', report),
        [where]: hang,
        signal: controller.signal,
      });
      expect(ticks.map(({ tick }) => tick.outcome)).to.deep.equal(['stopped']);
      expect(calls.at(-1)).to.equal(`${where} hangs`);
    });

  it('ends when it is stopped while it sleeps, and does nothing when it is stopped before', async () => {
    const controller = new AbortController();
    const started = performance.now();
    setTimeout(() => controller.abort(), 20);
    const { ticks } = await daemon(99, { clock: systemClock, signal: controller.signal });
    expect(performance.now() - started).to.be.lessThan(5_000);
    expect(ticks).to.have.length(1);
    expect((await daemon(99, { signal: AbortSignal.abort() })).calls).to.deep.equal([]);
  });

  it('wakes at the alarm; one that rings during a tick spares the next sleep', async () => {
    const alarm = new Alarm();
    let sleeps = 0;
    const clock: Clock = {
      now: () => new Date(),
      sleep: async (ms, signal) => {
        signal?.throwIfAborted();
        sleeps += 1;
        setTimeout(() => alarm.ring(), 5);
        await systemClock.sleep(ms, signal);
      },
    };
    const started = performance.now();
    let runs = 0;
    const run = async (): Promise<Reconciled> => {
      runs += 1;
      if (runs === 1) alarm.ring();
      await breathe();
      return report;
    };
    const { ticks } = await daemon(4, { clock, alarm, run });
    expect(performance.now() - started).to.be.lessThan(5_000);
    // No sleep after the first tick; after the second and third one that the alarm ended.
    expect([ticks.length, sleeps]).to.deep.equal([4, 2]);
  });

  it('keeps nothing of its ticks, however carelessly they use their signal', async function () {
    this.timeout(30_000);
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const controller = new AbortController();
    const { signal } = controller;
    const samples: number[] = [];
    let n = 0;
    const run = async (own: AbortSignal): Promise<Reconciled> => {
      const ballast = new Uint8Array(256 * 1024).fill(n);
      const any = AbortSignal.any([own, new AbortController().signal]);
      for (const leaky of [own, any]) leaky.addEventListener('abort', () => ballast.fill(0), { once: true });
      await breathe();
      n += 1;
      if (n % 100 === 0) {
        gc();
        await breathe();
        gc();
        samples.push(process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers);
        expect(getEventListeners(signal, 'abort'), 'listeners').to.have.length(1);
      }
      if (n % 3 === 0) throw new Error('every third tick fails');
      if (n === 500) controller.abort();
      return report;
    };
    const resources = process.getActiveResourcesInfo().length;
    // The real clock's timers, shortened.
    const clock: Clock = { now: () => new Date(), sleep: (_, own) => systemClock.sleep(0, own) };
    await daemon(Infinity, { run, clock, signal });
    expect(n).to.equal(500);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
    expect(process.getActiveResourcesInfo().length).to.be.at.most(resources + 1);
    // 100 ticks kept would be 25 MiB.
    expect(samples.at(-1)! - samples[1]!).to.be.lessThan(10 * 2 ** 20);
  });
});

describe('pollOnce', () => {
  const tick = async (
    pulls: (PullResult | Error)[],
    recovered: string[] | Error,
  ): Promise<{ calls: string[]; tick: Tick }> => {
    const calls: string[] = [];
    const work = {
      pull: answers(calls, 'pull', ...pulls),
      recover: answers(calls, 'recover', recovered),
      run: answers(calls, 'run', report),
      close: answers<undefined>(calls, 'close', undefined),
    };
    return { tick: await pollOnce(work, new AbortController().signal), calls };
  };
  const stuck = new RepositoryStuck('abandoned transaction found', undefined);

  it('recovers a stuck repository and pulls again', async () => {
    const { tick: found, calls } = await tick([stuck, changed], ['rolled back']);
    expect(calls).to.deep.equal(['pull', 'recover', 'pull', 'run', 'close']);
    expect(found).to.deep.equal({ outcome: 'done', pulled: changed, report, error: undefined });
  });

  it('leaves a repository alone that somebody else works in, and does not take the lock that their hook needs', async () => {
    const { tick: found, calls } = await tick([stuck], []);
    expect(calls).to.deep.equal(['pull', 'recover', 'close']);
    expect(found).to.include({ outcome: 'busy', error: stuck });
  });

  it('is busy when the lock is held while the repository would have to be recovered', async () => {
    const { tick: found, calls } = await tick([stuck], held);
    expect(calls).to.deep.equal(['pull', 'recover', 'close']);
    expect(found).to.include({ outcome: 'busy', error: held });
  });

  it('fails when the repository cannot be recovered', async () => {
    const broken = new AgentError('command-failed', 'journal is truncated', { retry: 'transient' });
    const { tick: found, calls } = await tick([stuck], broken);
    expect(calls).to.deep.equal(['pull', 'recover', 'run', 'close']);
    expect(found).to.include({ outcome: 'failed', error: broken });
  });
});

describe('pollDelay', () => {
  it('spreads by a tenth either way', () => {
    expect(pollDelay(INTERVAL_MS, 0, () => 0)).to.be.closeTo(54_000, 0.001);
    expect(pollDelay(INTERVAL_MS, 0, () => 1)).to.be.closeTo(66_000, 0.001);
  });

  it('stays within its bound after any number of failures, and never falls below the interval', () => {
    expect(pollDelay(INTERVAL_MS, 100_000, () => 0.5)).to.equal(LONGEST_BACKOFF_MS);
    expect(pollDelay(86_400_000, 7, () => 0.5)).to.equal(86_400_000);
  });
});
