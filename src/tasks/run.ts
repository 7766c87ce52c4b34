import { setMaxListeners } from 'node:events';
import type { Job } from '../jobs/job.js';
import type { Clock } from '../lib/clock.js';
import { AgentError, toAgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { Failure, TaskKey } from '../state/records.js';
import { StepQueue, type Limits } from './queue.js';
import { comesAfter, settlers, waitFor, type Plan, type Step } from './plan.js';
import type { Resource, TaskResult } from './task.js';

export type JobOutcome =
  | { readonly type: 'done'; readonly warnings: readonly string[] }
  | { readonly type: 'failed'; readonly failure: Failure; readonly warnings: readonly string[] }
  /** Not finished because the run was stopped. */
  | { readonly type: 'stopped' };

export interface RunDependencies {
  /** Does the task of a step for its leading job. */
  readonly perform: (step: Step, job: Job, signal: AbortSignal) => Promise<TaskResult | undefined>;
  readonly record: {
    /** Resolves when it survives the death of this process: only then the step acts. */
    started(keys: readonly (TaskKey & { fingerprint: string })[]): Promise<void>;
    finished(keys: readonly TaskKey[], result: { output?: unknown; failure?: Failure }): Promise<void>;
  };
  readonly onStep: (event: StepEvent) => void;
  readonly onJob: (job: Job, outcome: JobOutcome) => void;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Makes a message safe to store and to show. */
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
}

export interface StepEvent {
  readonly step: Step;
  readonly state: 'started' | 'done' | 'failed' | 'retry' | 'blocked';
  readonly durationMs: number;
  readonly failure?: Failure;
}

const MAX_ATTEMPTS = 4;
const FIRST_DELAY_MS = 400;

/**
 * Runs a plan: every step as soon as what it needs is done and its resource has a free place, the steps that most
 * depend on first. A step that fails blocks those that need it, and nothing else. Transient failures are tried again
 * a few times with a growing, jittered delay. The only place that turns a throw into an outcome.
 */
export async function runPlan(plan: Plan, deps: RunDependencies): Promise<Map<Job, JobOutcome>> {
  return new PlanRun(plan, deps).run();
}

class PlanRun {
  readonly #deps: RunDependencies;
  readonly #settling: ReadonlyMap<string, readonly Step[]>;
  readonly #urgency: ReadonlyMap<Step, number>;
  readonly #followers = new Map<Step, Set<Step>>();
  /** How many steps each step still waits for; a step that has ended is no longer in it. */
  readonly #open = new Map<Step, number>();
  readonly #queues = new Map<string, StepQueue>();
  readonly #failures = new Map<Step, Failure>();
  readonly #stepsOf = new Map<Job, Step[]>();
  readonly #openSteps = new Map<Job, number>();
  readonly #warnings = new Map<Job, string[]>();
  readonly #outcomes = new Map<Job, JobOutcome>();
  /** A record that cannot be written stops everything: nobody would remember what is done. */
  readonly #broken = new AbortController();
  readonly #signal: AbortSignal;
  #running = 0;
  #finish: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(plan: Plan, deps: RunDependencies) {
    this.#deps = deps;
    this.#signal = AbortSignal.any([deps.signal, this.#broken.signal]);
    setMaxListeners(0, this.#signal);
    this.#settling = settlers(plan.steps);
    this.#urgency = urgencies(plan.steps);
    for (const step of plan.steps) {
      const before = new Set([...step.needs, ...step.after]);
      this.#open.set(step, before.size);
      for (const earlier of before) this.#follow(earlier, step);
      for (const job of step.jobs) {
        append(this.#stepsOf, job, step);
        this.#openSteps.set(job, (this.#openSteps.get(job) ?? 0) + 1);
      }
    }
    for (const step of plan.steps) if (this.#open.get(step) === 0) this.#queueOf(step).add(step);
  }

  async run(): Promise<Map<Job, JobOutcome>> {
    let broken: AgentError | undefined;
    const finished = new Promise<void>((resolve) => (this.#finish = resolve));
    this.#fail = (error) => {
      broken ??= toAgentError(error);
      this.#broken.abort(new AgentError('cancelled', 'the record cannot be written', { retry: 'transient' }));
    };
    this.#advance();
    await finished;
    if (broken !== undefined) throw broken;
    for (const job of this.#openSteps.keys())
      if (!this.#outcomes.has(job)) this.#settleJob(job, { type: 'stopped' });
    return this.#outcomes;
  }

  /** Starts whatever can start; called whenever something ended. */
  #advance(): void {
    if (!this.#signal.aborted)
      for (const queue of this.#queues.values())
        for (let step = queue.take(); step !== undefined; step = queue.take()) {
          this.#running += 1;
          this.#runStep(step)
            .finally(() => {
              queue.give();
              this.#running -= 1;
            })
            .then(
              () => this.#advance(),
              // The record cannot be written: going on would do work that nobody remembers.
              (error: unknown) => {
                this.#fail(error);
                this.#advance();
              },
            );
        }
    if (this.#running === 0) this.#finish();
  }

  async #runStep(step: Step): Promise<void> {
    const { deps, keys } = { deps: this.#deps, keys: keysOf(step) };
    const begin = performance.now();
    const event = (state: StepEvent['state'], failure?: Failure): void =>
      deps.onStep({ step, state, durationMs: performance.now() - begin, ...(failure ? { failure } : {}) });
    await deps.record.started(keys);
    event('started');
    const result = await this.#perform(step, (failure) => event('retry', failure));
    // A stopped step stays 'started' in the record, so that the next run does it again.
    if (result === 'stopped') return;
    // Not waited for: the start of the next step is written with it.
    deps.record.finished(keys, result).catch((error: unknown) => this.#fail(error));
    if (result.failure) {
      event('failed', result.failure);
      this.#end(step, result.failure);
      return;
    }
    for (const warning of result.warnings ?? []) this.#warn(step, warning);
    for (const token of result.waitsFor ?? []) this.#waitLater(step, token);
    event('done');
    this.#end(step);
  }

  /** The one place where what a task throws becomes an outcome. */
  async #perform(
    step: Step,
    onRetry: (failure: Failure) => void,
  ): Promise<(TaskResult & { failure?: Failure }) | 'stopped'> {
    const { redact, log } = this.#deps;
    const [job] = step.jobs;
    if (job === undefined) throw new Error(`the step ${step.id} belongs to no job`);
    try {
      return (await this.#attempt(step, job, onRetry)) ?? {};
    } catch (thrown) {
      // Whatever it says then, it may say because it was cut off.
      if (this.#signal.aborted) return 'stopped';
      const error = toAgentError(thrown);
      if (error.reason === 'bug') log.error('unexpected failure', { step: step.id, stack: stackOf(error) });
      return { failure: toFailure(error, redact) };
    }
  }

  async #attempt(step: Step, job: Job, onRetry: (failure: Failure) => void): Promise<TaskResult | undefined> {
    const { perform, clock, random, redact } = this.#deps;
    const signal = this.#signal;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await perform(step, job, signal);
      } catch (thrown) {
        const error = toAgentError(thrown);
        const again = error.retry === 'transient' && error.reason !== 'bug' && attempt < MAX_ATTEMPTS;
        if (signal.aborted || !again) throw error;
        onRetry(toFailure(error, redact));
        const delay = FIRST_DELAY_MS * 3 ** (attempt - 1) * (0.5 + random());
        await clock.sleep(delay, signal).catch(() => {
          throw error;
        });
      }
    }
  }

  /** A need that is known only now: the steps that need this one wait for others, unless that would close a circle. */
  #waitLater(step: Step, token: string): void {
    for (const later of this.#followers.get(step) ?? []) {
      if (!later.needs.has(step)) continue;
      const known = new Set(later.after);
      for (const other of waitFor(later, token, this.#settling)) {
        if (known.has(other)) continue;
        if (comesAfter(other, later)) {
          later.after.delete(other);
          this.#warn(
            later,
            `${later.object} and ${other.object} refer to each other: done in no particular order`,
          );
        } else if (this.#open.has(other) && !later.needs.has(other)) {
          this.#follow(other, later);
          this.#open.set(later, (this.#open.get(later) ?? 0) + 1);
        }
      }
    }
  }

  /** Ends a step, well or not, and with a failure every step that needs it, and those that need them. */
  #end(step: Step, failure?: Failure): void {
    this.#open.delete(step);
    if (failure) this.#failures.set(step, failure);
    for (const job of step.jobs) {
      const open = (this.#openSteps.get(job) ?? 0) - 1;
      this.#openSteps.set(job, open);
      if (open === 0) this.#settleJob(job, this.#outcomeOf(job));
    }
    for (const follower of this.#followers.get(step) ?? []) {
      const open = (this.#open.get(follower) ?? 0) - 1;
      this.#open.set(follower, open);
      if (open > 0) continue;
      const cause = [...follower.needs]
        .map((before) => this.#failures.get(before))
        .find((f) => f !== undefined);
      if (cause === undefined) this.#queueOf(follower).add(follower);
      else {
        this.#deps.onStep({ step: follower, state: 'blocked', durationMs: 0, failure: cause });
        this.#end(follower, cause);
      }
    }
  }

  #follow(earlier: Step, later: Step): void {
    const known = this.#followers.get(earlier);
    if (known) known.add(later);
    else this.#followers.set(earlier, new Set([later]));
  }

  #outcomeOf(job: Job): JobOutcome {
    const warnings = this.#warnings.get(job) ?? [];
    const failures = (this.#stepsOf.get(job) ?? []).flatMap((step) => this.#failures.get(step) ?? []);
    if (failures.length === 0) return { type: 'done', warnings };
    // What can be tried again soonest decides when the job is: its other failures show up again by themselves.
    const failure =
      failures.find((f) => f.retry === 'transient') ??
      failures.find((f) => f.retry === 'remote') ??
      failures[0];
    if (failure === undefined) throw new Error('unreachable');
    return { type: 'failed', failure, warnings };
  }

  #settleJob(job: Job, outcome: JobOutcome): void {
    this.#outcomes.set(job, outcome);
    this.#deps.onJob(job, outcome);
  }

  #warn(step: Step, warning: string): void {
    for (const job of step.jobs) append(this.#warnings, job, warning);
  }

  #queueOf(step: Step): StepQueue {
    const resource = resourceOf(step);
    const key = resource === 'geoserver' ? `geoserver ${step.target.id}` : resource;
    const known = this.#queues.get(key);
    if (known) return known;
    const queue = new StepQueue(this.#deps.limits[resource], this.#urgency);
    this.#queues.set(key, queue);
    return queue;
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}

function resourceOf(step: Step): Resource {
  if (step.definition.resource) return step.definition.resource;
  switch (step.target.kind) {
    case 'local':
      return 'transfer';
    case 'database':
      return 'database';
    case 'geoserver':
    case 'replica':
      return 'geoserver';
    case 'cdn':
      return 'cdn';
  }
}

/** How long the way from each step to the end is, in steps: the critical path starts early. */
function urgencies(steps: readonly Step[]): Map<Step, number> {
  const length = new Map<Step, number>();
  for (const step of [...steps].reverse())
    for (const before of [...step.needs, ...step.after])
      length.set(before, Math.max(length.get(before) ?? 0, (length.get(step) ?? 0) + 1));
  return length;
}

function keysOf(step: Step): (TaskKey & { fingerprint: string })[] {
  return step.jobs.map((job) => ({
    path: job.path,
    action: job.action,
    type: step.definition.type,
    object: step.object,
    target: step.target.id,
    fingerprint: step.fingerprints.get(job) ?? '',
  }));
}

function toFailure(error: AgentError, redact: (text: string) => string): Failure {
  const hint = error.hint === undefined ? '' : ` ${error.hint}`;
  return { reason: error.reason, retry: error.retry, message: redact(`${error.message}${hint}`) };
}

function stackOf(error: AgentError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}
