import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import type { Config } from '../config.js';
import type { StateRepository } from '../hooks/repository.js';
import type { Clock } from '../lib/clock.js';
import { AgentError, toAgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { CHILD_MARK } from '../lib/process.js';
import type { Redactor } from '../lib/secret.js';
import { removeAbandonedFolders } from '../lib/temporary.js';
import { preview, reconcile, type Reconciled, type ReconcileInput, type Workshop } from '../reconcile.js';
import { acquireLock, type RunLock } from '../state/lock.js';
import { StateStore } from '../state/store.js';
import type { Transfer } from '../transfer/transfer.js';
import { checkCredentials } from './credentials.js';
import { openTransfer } from './open-transfer.js';
import { filtersOf, settingsDigest, taskSettings } from './run-settings.js';
import { showProgress, type Progress } from './progress.js';
import { findLayerKinds, RunReports } from './run-reports.js';

export interface RunOptions {
  /** What is running, for the lock's holder and the record: 'hook', 'sync', 'poll'. */
  readonly command: string;
  readonly config: Config;
  readonly log: Logger;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly openRepository: (signal: AbortSignal) => Promise<StateRepository>;
  /** Looks at a revision's files before anything acts on them; throws to refuse them. */
  readonly accept: ReconcileInput['accept'];
  readonly onlyDue?: boolean;
  /** What went wrong before the run (the pull, the update of the program), for the master's people. */
  readonly hindrance?: string | undefined;
  readonly prune?: boolean;
  /** Waits this long for another run to end; not at all unless said otherwise. */
  readonly waitMs?: number;
}

export interface RunReport extends Reconciled {
  readonly durationMs: number;
  /** Why the lock was lost, when that stopped jobs half-way; undefined otherwise. */
  readonly lost: AgentError | undefined;
}

/** One run: takes the lock, opens what is needed when it is needed, reconciles, records the outcome, closes everything. */
export async function runOnce(options: RunOptions): Promise<RunReport> {
  const begin = performance.now();
  const lock = await takeLock(options);
  try {
    const result = await runUnderLock(options, lock);
    const isStopped = result.results.some((job) => job.state === 'stopped');
    const lost = isStopped && lock.lost.aborted ? toAgentError(lock.lost.reason) : undefined;
    return { ...result, durationMs: performance.now() - begin, lost };
  } finally {
    lock.release();
  }
}

async function runUnderLock(options: RunOptions, lock: RunLock): Promise<Reconciled> {
  const { config, clock, log } = options;
  const signal = AbortSignal.any([options.signal, lock.lost]);
  // Every task and every request listens to it: many at once are no leak.
  setMaxListeners(0, signal);
  const store = new StateStore(config.statePath);
  const reports = openReports(options, store);
  const resources = new Resources(options, store, signal, reports);
  let run: number | undefined;
  try {
    const { endOrphans } = await import('../state/orphans.js');
    await endOrphans(config.statePath, { clock, log });
    await removeAbandonedFolders(config.statePath);
    process.env[CHILD_MARK] = config.statePath;
    run = store.startRun(options.command, clock.now());
    if (options.command === 'poll') reports.polled();
    const repository = await options.openRepository(signal);
    resources.closing(() => repository.close());
    const result = await reconcile(resources.input(repository, run));
    if (result.results.length > 0) await warnOfFilters(options, store);
    const failed = result.results.filter((job) => job.state === 'failed').length;
    const stopped = signal.aborted || result.results.some((job) => job.state === 'stopped');
    // Before the run's end, which makes all of it durable: what was not said then nobody would say later.
    await reports.finished(result);
    store.finishRun(run, clock.now(), {
      revision: result.revision,
      outcome: stopped ? 'stopped' : failed > 0 ? 'failed' : 'done',
      summary: { jobs: result.results.length, failed },
    });
    return result;
  } catch (error) {
    if (!signal.aborted) reports.failed(error);
    if (run !== undefined) store.finishRun(run, clock.now(), { outcome: 'failed', summary: {} });
    throw lock.lost.aborted ? lock.lost.reason : error;
  } finally {
    await resources.close();
    try {
      await reports.close(signal);
    } finally {
      // What the daemon starts between two runs is no orphan for whoever holds the lock then.
      Reflect.deleteProperty(process.env, CHILD_MARK);
      store.close();
    }
  }
}

/** A run without its passwords is refused before that: it is no news for the master, and leaves no trace in the record. */
function openReports(options: RunOptions, store: StateStore): RunReports {
  try {
    checkCredentials(options.config, store);
    return new RunReports(options, store);
  } catch (error) {
    store.close();
    throw error;
  }
}

/** A filter that takes nothing at all is most likely not what its operator means. */
async function warnOfFilters({ config, log }: RunOptions, store: StateStore): Promise<void> {
  const [{ countFiltered }, { loadKinds }] = await Promise.all([
    import('../tasks/filter-counts.js'),
    import('../jobs/load-kinds.js'),
  ]);
  for (const { filter, taken, seen } of countFiltered(store.files().values(), await loadKinds())) {
    const { variable, source, isDefault } = config.filters[filter];
    if (taken === 0)
      log.warn(`${variable} took 0 of ${seen} task files`, {
        filter: source,
        origin: isDefault ? 'default' : 'own',
      });
  }
}

/** What a run would do now. Takes no lock; the record stays as it is, while the cache may get meta files. */
export async function previewRun(options: RunOptions) {
  const store = new StateStore(options.config.statePath, 'rehearse');
  const resources = new Resources(options, store, options.signal);
  try {
    checkCredentials(options.config, store);
    const repository = await options.openRepository(options.signal);
    resources.closing(() => repository.close());
    return await preview(resources.input(repository, 0));
  } finally {
    await resources.close();
    store.close();
  }
}

async function takeLock({ config, command, clock, waitMs = 0, signal }: RunOptions): Promise<RunLock> {
  const holder = {
    pid: process.pid,
    command: `slave-sync ${command}`,
    since: clock.now().toISOString(),
    host: hostname(),
  };
  const until = performance.now() + waitMs;
  for (;;) {
    try {
      return acquireLock(config.statePath, holder);
    } catch (error) {
      const isHeld = error instanceof AgentError && error.reason === 'locked';
      if (!isHeld || performance.now() >= until) throw error;
      await clock.sleep(500, signal);
    }
  }
}

/** Everything a run uses, opened when it is first asked for: a run with nothing to do opens next to nothing. */
class Resources {
  readonly #options: RunOptions;
  readonly #store: StateStore;
  readonly #signal: AbortSignal;
  readonly #reports: RunReports | undefined;
  readonly #progress: Progress;
  readonly #closers: (() => unknown)[] = [];
  #transfer: Promise<Transfer> | undefined;
  #workshop: Promise<Workshop> | undefined;

  constructor(options: RunOptions, store: StateStore, signal: AbortSignal, reports?: RunReports) {
    this.#reports = reports;
    this.#options = options;
    this.#store = store;
    this.#signal = signal;
    this.#progress = showProgress(options.log, process.stderr);
  }

  input(repository: StateRepository, run: number): ReconcileInput {
    const { config, redactor, log, clock } = this.#options;
    return {
      repository,
      store: this.#store,
      settings: {
        channels: config.channels,
        include: config.include,
        filters: filtersOf(config),
        skip: config.skip,
        digest: settingsDigest(config, this.#store.salt()),
      },
      transfer: () => (this.#transfer ??= this.#openTransfer()),
      workshop: () => (this.#workshop ??= this.#openWorkshop()),
      clock,
      random: Math.random,
      redact: (text) => redactor.redact(text),
      log,
      signal: this.#signal,
      maxRemovals: config.maxRemovals,
      run,
      accept: this.#options.accept,
      onlyDue: this.#options.onlyDue ?? false,
      prune: this.#options.prune ?? false,
    };
  }

  closing(close: () => unknown): void {
    this.#closers.unshift(close);
  }

  /** Closes all, the last opened first; one that fails does not keep the others open. */
  async close(): Promise<void> {
    this.#progress.end();
    for (const close of this.#closers)
      await Promise.resolve(close()).catch((error: unknown) => this.#complain(error));
  }

  #complain(error: unknown): void {
    this.#options.log.warn('could not close cleanly', { error: String(error) });
  }

  async #openTransfer(): Promise<Transfer> {
    const { config, log, clock } = this.#options;
    const onProgress = this.#progress.transfer.bind(this.#progress);
    const transfer = await openTransfer(config, { log, clock, onProgress });
    this.closing(() => transfer.close());
    return transfer;
  }

  async #openWorkshop(): Promise<Workshop> {
    const [{ TaskWorkshop }, { loadTasks }, { Database }, { GeoServer }, { HttpClient }] = await Promise.all([
      import('../tasks/workshop.js'),
      import('../tasks/load-tasks.js'),
      import('../pgdump/database.js'),
      import('../geoserver/client.js'),
      import('../lib/http.js'),
    ]);
    const { config, log, clock, redactor } = this.#options;
    const database = new Database(
      {
        ...config.database,
        ...(config.pgBinDir === undefined ? {} : { pgBinDir: config.pgBinDir }),
        maxConnections: config.limits.restores + 4,
      },
      { log, clock },
    );
    this.closing(() => database.close());
    const geoservers = config.geoservers.map(
      ({ url, username, password }) =>
        new GeoServer(
          {
            url,
            username,
            password,
            writers: config.limits.geoserverWriters,
            readers: config.limits.geoserverReaders,
          },
          { log, clock },
        ),
    );
    for (const geoserver of geoservers) this.closing(() => geoserver.close());
    const http = new HttpClient();
    this.closing(() => http.close());
    const workshop = new TaskWorkshop({
      definitions: await loadTasks(),
      settings: taskSettings(config, this.#store.salt()),
      store: this.#store,
      transfer: await (this.#transfer ??= this.#openTransfer()),
      database,
      geoservers: config.geoserverSharingDataDir ? geoservers.slice(0, 1) : geoservers,
      replicas: config.geoserverSharingDataDir ? geoservers.slice(1) : [],
      http,
      limits: {
        transfer: 100_000, // Coalesced into few rsync calls by the transfer itself, which has limits of its own.
        restore: config.limits.restores,
        database: 4,
        geoserver: config.limits.geoserverWriters + config.limits.geoserverReaders,
        cdn: config.limits.cdn,
      },
      clock,
      random: Math.random,
      log,
      redact: (text) => redactor.redact(text),
      signal: this.#signal,
      onStep: (event) => {
        this.#progress.step(event);
        this.#reports?.step(event);
      },
    });
    const layerKinds = await findLayerKinds();
    return {
      plan: (jobs) => workshop.plan(jobs),
      run: (plan, view, onJob) => {
        const jobs = new Set(plan.steps.flatMap((step) => step.jobs));
        this.#progress.planned(jobs.size, plan.steps.length);
        return workshop.run(plan, view, (job, outcome) => {
          const message = outcome.type === 'failed' ? outcome.failure.message : undefined;
          if (jobs.has(job)) this.#progress.job(job.path, job.action, outcome.type, message);
          this.#reports?.jobEnded(job, outcome, layerKinds);
          onJob(job, outcome);
        });
      },
    };
  }
}
