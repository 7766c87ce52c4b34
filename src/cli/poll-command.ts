import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pull } from '../hooks/pull.js';
import type { StateRepository } from '../hooks/repository.js';
import { recover } from '../hooks/recover.js';
import { AgentError } from '../lib/errors.js';
import { Alarm, countFailures, poll, pollOnce, type Tick, type TickWork } from '../poll.js';
import { acquireLock } from '../state/lock.js';
import { StateStore } from '../state/store.js';
import { checkCredentials } from './credentials.js';
import { EXIT } from './exit-codes.js';
import { readHeartbeat, saveHeartbeat } from './heartbeat.js';
import { OpenedRepository } from './opened-repository.js';
import { runOnce, type RunReport } from './run-once.js';
import { hindranceOf, reexecute, updateProgram } from './self-update.js';
import type { Session } from './session.js';
import { summarise } from './summary.js';

const COMMAND = 'poll';

/**
 * The daemon; with `once` a single tick. Answers the exit code: of the daemon 0, since being asked to stop is the only
 * way it ends (143 when it had to be cut off, see signals.ts); of a single tick as `sync` does, and 75 when somebody else
 * pulls or runs. Throws what makes a start useless: a record that cannot be opened, passwords that are missing, and the
 * error of a single tick.
 */
export async function pollCommand(session: Session, { once }: { once: boolean }): Promise<number> {
  const { config, log, clock, redactor, stop, location } = session;
  const withStore = <T>(use: (store: StateStore) => T): T => {
    const store = new StateStore(config.statePath);
    try {
      return use(store);
    } finally {
      store.close();
    }
  };
  // Each run looks again; here before anything is pulled, and before a daemon without its passwords goes on and on.
  withStore((store) => checkCredentials(config, store));
  const failuresBefore = withStore((store) => readHeartbeat(store)?.failures ?? 0);
  const noteTick = (tick: Tick, failures: number): void => {
    const message = tick.error === undefined ? undefined : redactor.redact(tick.error.message);
    log.debug('poll ended', { outcome: tick.outcome, failures, message });
    withStore((store) => saveHeartbeat(store, { tick, failures, message, now: clock.now() }));
  };
  const program = new OwnProgram(session);
  const work = tickWork(session, program, once);

  if (once) {
    const tick = await pollOnce(work, program.signal);
    const stopped = stop.exitCode();
    if (stopped === undefined && program.next !== undefined) return reexecute(program.next);
    noteTick(tick, countFailures(tick, failuresBefore));
    if (stopped !== undefined) return stopped;
    if (tick.error !== undefined) throw tick.error;
    return tick.report?.results.some((job) => job.state === 'failed') ? EXIT.failed : EXIT.ok;
  }

  const alarm = new Alarm();
  const collectGarbage = garbageCollector();
  // Without a listener Node would open its debugger.
  process.on('SIGUSR1', () => {
    log.info('woken by SIGUSR1');
    alarm.ring();
  });
  log.info('daemon started', {
    pid: process.pid,
    repository: location.root,
    interval: config.pollIntervalSeconds,
  });
  await poll({
    ...work,
    nextDue: (after) => withStore((store) => nextDue(store, after)),
    onHeartbeat: (tick, failures) => {
      noteTick(tick, failures);
      collectGarbage();
    },
    intervalMs: config.pollIntervalSeconds * 1_000,
    clock,
    random: Math.random,
    alarm,
    log,
    signal: program.signal,
  });
  if (program.next !== undefined && !stop.signal.aborted) {
    log.info('daemon goes on with the new version');
    return reexecute(program.next);
  }
  log.info('daemon ended');
  return EXIT.ok;
}

/**
 * libsql lets the files of a closed database go only when the garbage collector has found its statements. To Node they
 * are a few bytes, no reason to look for them, while each tick leaves several files open: it has to be told.
 */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** The daemon's own program: a new version ends the present one, whose place it takes. */
class OwnProgram {
  readonly #session: Session;
  readonly #end = new AbortController();
  /** The program to go on with. */
  next: string | undefined;
  /** Why the last tick could not update it. */
  hindrance: string | undefined;
  #isWarned = false;

  constructor(session: Session) {
    this.#session = session;
    const { signal } = session.stop;
    signal.addEventListener('abort', () => this.#end.abort(signal.reason), { once: true });
  }

  /** Aborted when this process has to end, also by a new version. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Throws when there is a new version. */
  async update(): Promise<void> {
    if (this.#isWarned) return;
    const result = await updateProgram(this.#session);
    this.hindrance = hindranceOf(result);
    this.#isWarned = result.outcome === 'not-a-checkout';
    if (result.outcome !== 'switched') return;
    this.next = result.cli;
    this.#end.abort(new AgentError('cancelled', 'a new version takes over', { retry: 'transient' }));
    this.signal.throwIfAborted();
  }
}

function tickWork(session: Session, program: OwnProgram, once: boolean): TickWork {
  const { config, log, redactor, clock, location } = session;
  let isTrusted = false;
  let opened: OpenedRepository | undefined;
  const close = async (): Promise<void> => {
    await opened?.close();
    opened = undefined;
  };
  return {
    close,
    pull: async (signal) => {
      await program.update();
      opened = new OpenedRepository(session, signal);
      try {
        const repository = await opened.lend(signal);
        // The settings name the ssh command that is about to run.
        if (!isTrusted) await trust(session, repository);
        isTrusted = true;
        const pulled = await pull(repository, { ssh: config.stateSsh, signal });
        if (pulled.outcome === 'changed') log.info('pulled', { revision: pulled.revision });
        return pulled;
      } catch (error) {
        await close();
        throw error;
      }
    },
    recover: async (signal) => {
      const since = clock.now().toISOString();
      const lock = acquireLock(config.statePath, {
        pid: process.pid,
        command: `slave-sync ${COMMAND}`,
        since,
      });
      try {
        const either = AbortSignal.any([signal, lock.lost]);
        return await recover(location, { env: process.env, log, signal: either });
      } finally {
        lock.release();
      }
    },
    run: async (signal, pullError) => {
      const report = await runOnce({
        command: COMMAND,
        config,
        log,
        redactor,
        clock,
        signal,
        accept: session.accept,
        openRepository: (own) => (opened ??= new OpenedRepository(session, signal)).lend(own),
        onlyDue: true,
        hindrance: [program.hindrance ?? [], pullError?.message ?? []].flat().join('\n') || undefined,
      });
      tell(session, report, once);
      // No run that went to its end: neither the tick nor the heartbeat may count it as one.
      if (report.lost !== undefined) throw report.lost;
      return report;
    },
  };
}

/** Refuses settings that the clone itself tracks; a clone that is still empty tracks none. */
async function trust(session: Session, repository: StateRepository): Promise<void> {
  const revision = await repository.target().catch(() => undefined);
  if (revision !== undefined) session.accept((await repository.manifest(revision)).entries);
}

/** Says what a hook would say; nothing when there was nothing to do. */
function tell({ config, log, redactor }: Session, report: RunReport, once: boolean): void {
  const isNews = report.results.some((job) => once || !job.known);
  if (!isNews) return;
  if (config.logFormat === 'pretty') {
    process.stdout.write(`${redactor.redact(summarise(report))}\n`);
    return;
  }
  const count = (state: string): number => report.results.filter((job) => job.state === state).length;
  const { revision, unchanged, ignored } = report;
  const ms = Math.round(report.durationMs);
  log.info('run finished', {
    revision,
    done: count('done'),
    failed: count('failed'),
    unchanged,
    ignored,
    ms,
  });
}

/** The earliest retry after this time. What was due before was tried, or is no longer taken by this slave. */
function nextDue(store: StateStore, after: Date): Date | undefined {
  let earliest: Date | undefined;
  for (const { nextAttemptAt } of store.files().values())
    if (nextAttemptAt !== undefined && nextAttemptAt > after)
      if (earliest === undefined || nextAttemptAt < earliest) earliest = nextAttemptAt;
  return earliest;
}
