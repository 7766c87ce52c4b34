import type { Config } from '../config.js';
import type { Job } from '../jobs/job.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { Redactor } from '../lib/secret.js';
import type { Reconciled } from '../reconcile.js';
import { failedFileReport, jobReport } from '../report/job-report.js';
import { Reporter } from '../report/reporter.js';
import type { TaskReport } from '../report/types.js';
import { Outbox } from '../state/outbox.js';
import type { RunRecord } from '../state/records.js';
import type { StateStore } from '../state/store.js';
import type { JobOutcome, StepEvent } from '../tasks/run.js';
import { readVersion } from './version.js';

export interface RunReportsContext {
  readonly config: Pick<Config, 'slaveName' | 'channels' | 'codeBranch' | 'master' | 'statePath'>;
  readonly log: Logger;
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** What went wrong before the run. */
  readonly hindrance?: string | undefined;
}

/** The record's setting that says whether the last run was hindered. */
const HINDERED = 'hindered';

/** Names of the kinds that the master's table of layers shows. They are loaded here, which a run with nothing to do need not wait for. */
export async function findLayerKinds(): Promise<ReadonlySet<string>> {
  const { loadKinds } = await import('../jobs/load-kinds.js');
  return new Set((await loadKinds()).flatMap(({ name, hasLayerRow }) => (hasLayerRow ? name : [])));
}

/** Tells the master what happens in a run; made before the run is noted in the record. */
export class RunReports {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  readonly #before: RunRecord | undefined;
  readonly #hindrance: string | undefined;
  #isPolled = false;
  readonly #blocked = new Map<Job, Omit<TaskReport, 'state'>[]>();
  readonly #ended = new Set<string>();

  constructor({ config, log, redactor, clock, hindrance }: RunReportsContext, store: StateStore) {
    this.#store = store;
    this.#clock = clock;
    this.#before = store.lastRun();
    this.#hindrance = hindrance;
    const version = readVersion();
    const slave = {
      name: config.slaveName,
      channels: config.channels,
      codeVersion: config.codeBranch === undefined ? version : `${version} (${config.codeBranch})`,
    };
    const outbox = new Outbox(store.database);
    const redact = (text: string): string => redactor.redact(text);
    this.#reporter = new Reporter(config.master, slave, { outbox, log, clock, redact });
  }

  /** The daemon has looked for changes, or tried to. */
  polled(): void {
    this.#reporter.heartbeat('poll', this.#hindrance);
    this.#isPolled = true;
  }

  /** Steps that are not tried are nowhere in the record. */
  step({ step, state, failure }: StepEvent): void {
    if (state !== 'blocked') return;
    const { object, target, definition } = step;
    const task = { type: definition.type, object, target: target.id, message: failure?.message };
    for (const job of step.jobs) this.#blocked.set(job, [...(this.#blocked.get(job) ?? []), task]);
  }

  /**
   * To be called before the record says that the job has ended, in the same turn of the event loop: both are kept or lost
   * together, and where they are not, the next run ends the job again.
   */
  jobEnded(job: Job, outcome: JobOutcome, layerKinds: ReadonlySet<string>): void {
    // A part that is pruned is no news for the master: the rest is published as before.
    if (outcome.type === 'stopped' || job.prunes !== undefined) return;
    this.#ended.add(job.path);
    this.#reporter.jobEnded(
      jobReport(
        { ...job, hasLayerRow: layerKinds.has(job.kind) },
        {
          finishedAt: this.#clock.now(),
          failure: outcome.type === 'failed' ? outcome.failure : undefined,
          warnings: outcome.warnings,
          tasks: this.#store.tasksOf(job.path),
          blocked: this.#blocked.get(job) ?? [],
        },
      ),
    );
  }

  /** The run went to its end. Nothing is said of one that had nothing to do after one that went well. */
  async finished({ revision, results }: Reconciled): Promise<void> {
    if (results.length > 0 || revision !== this.#before?.revision) await this.#reportFiles(results);
    const files = results.filter((result) => result.state !== 'excluded');
    const isNews = this.#hindranceIsNews();
    if (files.length === 0 && this.#before?.outcome === 'done' && !isNews) return;
    const succeeded = files.every((result) => result.state === 'done');
    this.#reporter.runEnded({
      succeeded,
      endedAt: this.#clock.now(),
      files: files.map((result) => ({ ...result, succeeded: result.state === 'done' })),
      message: this.#hindrance,
    });
  }

  /** The run ended by an error, before or between its jobs. */
  failed(error: unknown): void {
    const endedAt = this.#clock.now();
    const message = [this.#hindrance ?? [], messageOf(error)].flat().join('\n');
    this.#reporter.runEnded({ succeeded: false, endedAt, files: [], message });
  }

  /** Sends what is waiting, unless the run was told to stop. */
  async close(signal: AbortSignal): Promise<void> {
    try {
      if (!signal.aborted) await this.#reporter.flush(signal);
    } catch (error) {
      if (error !== signal.reason) throw error;
    } finally {
      await this.#reporter.close();
    }
  }

  /** Whether a run without a poll has to say what hindered it, or that nothing does any more. */
  #hindranceIsNews(): boolean {
    if (this.#isPolled) return false;
    const was = this.#store.setting(HINDERED) === 'yes';
    const is = this.#hindrance !== undefined;
    if (is !== was) this.#store.setSetting(HINDERED, is ? 'yes' : 'no');
    return is || was;
  }

  /** What failed without a job of this run, and what is no longer there. */
  async #reportFiles(results: Reconciled['results']): Promise<void> {
    const files = this.#store.files();
    const layerKinds = results.length === 0 ? new Set<string>() : await findLayerKinds();
    const published = new Map(this.#store.publications().map(({ path, spec }) => [path, spec]));
    for (const { path, state, known } of results) {
      const file = files.get(path);
      if (state !== 'failed' || file === undefined || this.#ended.has(path)) continue;
      const report = failedFileReport(
        { ...file, hasLayerRow: layerKinds.has(file.kind) },
        published.get(path),
      );
      if (report === undefined) continue;
      if (known) this.#reporter.stillFailing(report);
      else this.#reporter.jobEnded(report);
    }
    this.#reporter.forgetAllBut(new Set(files.keys()));
  }
}
