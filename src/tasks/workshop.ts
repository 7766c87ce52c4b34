import type { GeoServer } from '../geoserver/client.js';
import type { Job } from '../jobs/job.js';
import type { Clock } from '../lib/clock.js';
import type { HttpClient } from '../lib/http.js';
import type { Logger } from '../lib/log.js';
import type { Database } from '../pgdump/database.js';
import type { PublicationRecord, TaskRecord } from '../state/records.js';
import type { StateStore } from '../state/store.js';
import type { Transfer } from '../transfer/transfer.js';
import { AgentError } from '../lib/errors.js';
import { planSteps, type Plan, type Step } from './plan.js';
import type { Limits } from './queue.js';
import { runPlan, type JobOutcome, type StepEvent } from './run.js';
import type { TaskSettings } from './settings.js';
import { StaleReplicas } from './stale-replicas.js';
import type { MadeThings, Standing, Target, TaskContext, TaskDefinition, TaskResult } from './task.js';

export interface WorkshopDependencies {
  readonly definitions: ReadonlyMap<string, TaskDefinition>;
  readonly settings: TaskSettings;
  readonly store: StateStore;
  readonly transfer: Transfer;
  readonly database: Database;
  /** Every GeoServer this slave writes to. */
  readonly geoservers: readonly GeoServer[];
  /** Those that share the first one's data directory: they only read it again. */
  readonly replicas: readonly GeoServer[];
  readonly http: HttpClient;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
  readonly onStep: (event: StepEvent) => void;
}

/** The planner and the runner, with everything tasks need: where jobs meet the world. */
export class TaskWorkshop {
  readonly #deps: WorkshopDependencies;
  readonly #recorded: Map<string, TaskRecord[]>;
  readonly #targets: readonly Target[];
  #excluded: ReadonlySet<string> | undefined;
  #mayBeElsewhere: (identity: string, kind: string) => Promise<boolean> = () => Promise.resolve(false);
  #publications: readonly PublicationRecord[] | undefined;
  readonly #doneNow = new Set<string>();
  readonly #staleReplicas: StaleReplicas;

  constructor(deps: WorkshopDependencies) {
    this.#deps = deps;
    this.#recorded = deps.store.tasks();
    this.#staleReplicas = new StaleReplicas(
      deps.store,
      deps.replicas.map((server) => server.url),
    );
    this.#targets = [
      { kind: 'local', id: 'local' },
      { kind: 'database', id: deps.database.id },
      ...deps.geoservers.map((server) => ({ kind: 'geoserver' as const, id: server.url })),
      ...deps.replicas.map((server) => ({ kind: 'replica' as const, id: server.url })),
      { kind: 'cdn', id: 'cdn' },
    ];
  }

  /** What is due of these jobs, as a graph. */
  plan(jobs: readonly Job[]): Plan {
    return planSteps({
      jobs,
      definitions: this.#deps.definitions,
      targets: this.#targets,
      recorded: (job) => (this.#recorded.get(job.path) ?? []).filter((task) => task.action === job.action),
      settings: this.#deps.settings,
    });
  }

  /** Runs a plan; every job of it ends with an outcome, also those with nothing to do. */
  async run(
    plan: Plan,
    view: { readonly mayBeElsewhere: (identity: string, kind: string) => Promise<boolean> },
    onJob: (job: Job, outcome: JobOutcome) => void,
  ): Promise<void> {
    this.#mayBeElsewhere = view.mayBeElsewhere;
    const { store, clock } = this.#deps;
    for (const job of plan.settled) onJob(job, { type: 'done', warnings: [] });
    for (const { job, circle } of plan.circular) onJob(job, circular(circle));
    await runPlan(plan, {
      ...this.#deps,
      onStep: this.#countingSends(plan),
      perform: (step, job, signal) => this.#perform(step, job, signal),
      onJob,
      record: {
        started: (keys) => store.taskStarted(keys, clock.now()),
        finished: (keys, result) => store.taskFinished(keys, clock.now(), result),
      },
    });
  }

  /** Tells the transfer how many files are yet to be sent, so that it neither sends each by itself nor waits for none. */
  #countingSends(plan: Plan): (event: StepEvent) => void {
    const { transfer, onStep } = this.#deps;
    const open = new Set(plan.steps.filter((step) => step.definition.sends));
    if (open.size > 0) transfer.expectSends(open.size);
    return (event) => {
      const hasEnded = event.state === 'done' || event.state === 'failed' || event.state === 'blocked';
      if (hasEnded && open.delete(event.step)) transfer.expectSends(open.size);
      onStep(event);
    };
  }

  async #perform(step: Step, job: Job, signal: AbortSignal): Promise<TaskResult | undefined> {
    const geoserver = [...this.#deps.geoservers, ...this.#deps.replicas].find(
      (server) => server.url === step.target.id,
    );
    const recorded = this.#recorded.get(job.path)?.find((task) => isOf(task, step));
    const context: TaskContext = {
      signal,
      log: this.#deps.log.child({ job: job.path, task: step.definition.type, target: step.target.id }),
      settings: this.#deps.settings,
      transfer: this.#deps.transfer,
      database: this.#deps.database,
      get geoserver() {
        if (geoserver === undefined) throw new Error(`${step.definition.type} has no GeoServer`);
        return geoserver;
      },
      isStale: this.#staleReplicas.isStale(step.target.id),
      catalogOutputs: () => step.jobs.flatMap((of) => this.#catalogOutputs(of)),
      http: this.#deps.http,
      made: this.#madeOn(step.target.id),
      publications: () => (this.#publications ??= this.#deps.store.publications()),
      standing: (identity, kind) => this.#standingOf(identity, kind),
      isNew: recorded === undefined,
      previous: recorded?.state === 'done' ? recorded.output : undefined,
      output: (type) => this.#outputOf(type, job, step.target),
      isDoneNow: (type) => this.#doneNow.has(nowKey(job, type, step.target)),
    };
    if (step.target.kind === 'geoserver' && step.definition.leavesCatalog !== true)
      await this.#staleReplicas.note();
    const result = await step.definition.run(job, context);
    if (step.target.kind === 'replica') this.#staleReplicas.refreshed(step.target.id);
    for (const of of step.jobs) this.#doneNow.add(nowKey(of, step.definition.type, step.target));
    return result;
  }

  /** Outputs are read from the record, so that a run which goes on after a crash finds those of the one before. */
  #outputOf(type: string, job: Job, target: Target): unknown {
    // A task file's earlier version may have had another object: another dump, for instance.
    const object = this.#deps.definitions.get(type)?.object(job);
    const outputs = this.#deps.store
      .tasksOf(job.path)
      .filter((task) => task.action === job.action && task.type === type && task.object === object)
      .filter((task) => task.state === 'done');
    return (outputs.find((task) => task.target === target.id) ?? outputs[0])?.output;
  }

  async #standingOf(identity: string, kind: string): Promise<Standing> {
    this.#publications ??= this.#deps.store.publications();
    if (this.#publications.some((publication) => publication.identity === identity)) return 'here';
    this.#excluded ??= new Set(
      [...this.#deps.store.files().values()].flatMap((file) =>
        file.state === 'excluded' ? (file.identity ?? []) : [],
      ),
    );
    const isTakenByOthers = this.#excluded.has(identity) || (await this.#mayBeElsewhere(identity, kind));
    return isTakenByOthers ? 'not-taken' : 'missing';
  }

  #catalogOutputs(job: Job): unknown[] {
    const { definitions, geoservers, store } = this.#deps;
    const servers = new Set(geoservers.map((server) => server.url));
    return store
      .tasksOf(job.path)
      .filter((task) => task.action === job.action && servers.has(task.target))
      .filter((task) => definitions.get(task.type)?.leavesCatalog !== true)
      .map((task) => task.output);
  }

  #madeOn(target: string): MadeThings {
    const { store } = this.#deps;
    return {
      of: (type, owner) => store.made(target, type, owner),
      ownerOf: (type, name) => store.ownerOf(target, type, name),
      add: (type, name, owner) => store.addMade(target, type, name, owner),
      remove: (type, name) => store.deleteMade(target, type, name),
    };
  }
}

function nowKey(job: Job, type: string, target: Target): string {
  return JSON.stringify([job.path, job.action, type, target.id]);
}

function isOf(task: TaskRecord, step: Step): boolean {
  return task.type === step.definition.type && task.target === step.target.id && task.object === step.object;
}

function circular(circle: readonly string[]): JobOutcome {
  const error = new AgentError('conflict', `${circle.join(', ')} wait for each other in a circle`, {
    retry: 'remote',
  });
  return {
    type: 'failed',
    failure: { reason: error.reason, retry: error.retry, message: error.message },
    warnings: [],
  };
}
