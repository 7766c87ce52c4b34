import type { Job } from '../jobs/job.js';
import { digest } from '../lib/hash.js';
import type { TaskRecord } from '../state/records.js';
import type { TaskSettings } from './settings.js';
import type { Target, TaskDefinition } from './task.js';

/** One task on one object of one target, for all jobs that share it. */
export interface Step {
  readonly id: string;
  readonly definition: TaskDefinition;
  readonly object: string;
  readonly target: Target;
  readonly jobs: Job[];
  /** Fingerprints by job path: what is recorded when it is done. */
  readonly fingerprints: Map<Job, string>;
  /** Steps that have to be done before it; when one fails, this one is blocked. */
  readonly needs: Set<Step>;
  /** Steps that have to have ended before it, well or not. */
  readonly after: Set<Step>;
}

export interface Plan {
  /** In an order in which they could be done one after another. */
  readonly steps: readonly Step[];
  /** Jobs with nothing left to do. */
  readonly settled: readonly Job[];
  /** Jobs that wait for each other in a circle, with the circle's members by name. */
  readonly circular: readonly { readonly job: Job; readonly circle: readonly string[] }[];
}

export interface PlanInput {
  readonly jobs: readonly Job[];
  readonly definitions: ReadonlyMap<string, TaskDefinition>;
  readonly targets: readonly Target[];
  /** What the record says of the tasks of a job. */
  readonly recorded: (job: Job) => readonly TaskRecord[];
  readonly settings: TaskSettings;
}

/**
 * Turns jobs into a graph of steps: equal tasks of several jobs become one, what the record says is done is left out,
 * and an edge exists only where one step really needs the other. Pure: no I/O, no clock.
 */
export function planSteps(input: PlanInput): Plan {
  const steps = new Map<string, Step>();
  const settled: Job[] = [];
  for (const job of input.jobs) if (!addJob(job, input, steps)) settled.push(job);
  linkJobs([...steps.values()]);
  const { order, circular } = sort([...steps.values()]);
  if (circular.length === 0) return { steps: order, settled, circular: [] };
  // The jobs of a circle are refused, and the others planned without them.
  const names = circular.map((job) => job.path);
  const refused = circular.map((job) => ({ job, circle: names }));
  const rest = planSteps({ ...input, jobs: input.jobs.filter((job) => !circular.includes(job)) });
  return { ...rest, circular: [...refused, ...rest.circular] };
}

/** A job's own tasks as steps; false when none is due. */
function addJob(job: Job, input: PlanInput, steps: Map<string, Step>): boolean {
  const records = new Map(input.recorded(job).map((r) => [stepId(r.type, r.object, r.target), r]));
  const own = placeTasks(job, input).map(({ definition, target }) => {
    const object = definition.object(job);
    const id = stepId(definition.type, object, target.id);
    const fingerprint = digest([job.key, definition.inputs?.(job, input.settings) ?? null]);
    const record = records.get(id);
    const done = record?.state === 'done' && record.fingerprint === fingerprint;
    return { definition, target, object, id, fingerprint, due: !done && definition.ephemeral !== true };
  });
  const needsOf = (index: number): typeof own => {
    const step = own[index];
    if (step === undefined) return [];
    return own
      .slice(0, index)
      .filter((earlier) => step.definition.needs?.includes(earlier.definition.type) ?? true)
      .filter(
        (earlier) => step.definition.afterEveryServer === true || isUpstream(earlier.target, step.target),
      );
  };
  // What comes after a task that is done again is done again too; it looks at the world and finds little to do.
  own.forEach((step, index) => {
    step.due ||= step.definition.ephemeral !== true && needsOf(index).some((earlier) => earlier.due);
  });
  for (let index = own.length - 1; index >= 0; index--)
    if (own[index]?.due)
      for (const earlier of needsOf(index)) earlier.due ||= earlier.definition.ephemeral === true;

  own.forEach((part, index) => {
    if (!part.due) return;
    const step: Step = steps.get(part.id) ?? {
      id: part.id,
      definition: part.definition,
      object: part.object,
      target: part.target,
      jobs: [],
      fingerprints: new Map(),
      needs: new Set(),
      after: new Set(),
    };
    steps.set(part.id, step);
    step.jobs.push(job);
    step.fingerprints.set(job, part.fingerprint);
    for (const earlier of needsOf(index)) {
      const before = earlier.due ? steps.get(earlier.id) : undefined;
      if (before) (part.definition.barrier ? step.after : step.needs).add(before);
    }
  });
  return own.some((part) => part.due);
}

/** The tasks of a job, each on every target it is for. */
function placeTasks(job: Job, input: PlanInput): { definition: TaskDefinition; target: Target }[] {
  return job.tasks.flatMap((type) => {
    const definition = input.definitions.get(type);
    if (definition === undefined) throw new Error(`${job.kind} names the task ${type}, which does not exist`);
    if (definition.applies?.(job, input.settings) === false) return [];
    const targets = input.targets.filter((target) => target.kind === definition.target);
    return (definition.once ? targets.slice(0, 1) : targets).map((target) => ({ definition, target }));
  });
}

/** A task follows earlier ones of its own target and of what all targets share; each server goes its own way. */
function isUpstream(earlier: Target, later: Target): boolean {
  return (
    earlier.id === later.id ||
    earlier.kind === 'local' ||
    earlier.kind === 'database' ||
    later.kind === 'local' ||
    later.kind === 'cdn' ||
    later.kind === 'replica'
  );
}

/** Edges between jobs, by tokens: who waits for one, or needs it, comes after all of other jobs that settle it. */
function linkJobs(steps: readonly Step[]): void {
  const settling = settlers(steps);
  const replacements: { readonly step: Step; readonly removal: Step }[] = [];
  for (const step of steps)
    for (const job of step.jobs) {
      for (const token of step.definition.waitsFor?.(job) ?? []) waitFor(step, token, settling);
      for (const token of step.definition.needsSettled?.(job) ?? [])
        for (const removal of othersSettling(step, token, settling)) replacements.push({ step, removal });
    }
  for (const { step, removal } of replacements) step.needs.add(removal);
  // Until everything else is there that the step needs which takes its place, a restored table for instance, the old thing stays.
  for (const { step, removal } of replacements)
    for (const earlier of [...step.needs, ...step.after])
      if (!comesAfter(earlier, removal)) removal.needs.add(earlier);
}

/** Which steps settle a token on a target. */
export function settlers(steps: readonly Step[]): ReadonlyMap<string, readonly Step[]> {
  const result = new Map<string, Step[]>();
  for (const step of steps)
    for (const job of step.jobs)
      for (const token of step.definition.settles?.(job) ?? []) {
        const key = onTarget(token, step);
        const known = result.get(key);
        if (known) known.push(step);
        else result.set(key, [step]);
      }
  return result;
}

/** Makes a step wait for a token. */
export function waitFor(step: Step, token: string, settling: ReadonlyMap<string, readonly Step[]>): Step[] {
  const others = othersSettling(step, token, settling);
  for (const other of others) step.after.add(other);
  return others;
}

/** Steps of its own jobs do not count, their order is given by the kind. */
function othersSettling(step: Step, token: string, settling: ReadonlyMap<string, readonly Step[]>): Step[] {
  return (settling.get(onTarget(token, step)) ?? []).filter(
    (other) => other !== step && !other.jobs.some((job) => step.jobs.includes(job)),
  );
}

function onTarget(token: string, step: Step): string {
  return `${token}@${step.target.id}`;
}

function stepId(type: string, object: string, target: string): string {
  return `${type} ${object} @ ${target}`;
}

/** Topological order, stable in the order of the jobs; what is left over waits for itself. */
function sort(steps: readonly Step[]): { order: Step[]; circular: Job[] } {
  const waiting = new Map(steps.map((step) => [step, new Set([...step.needs, ...step.after])]));
  const followers = new Map<Step, Step[]>();
  for (const [step, before] of waiting)
    for (const earlier of before) followers.set(earlier, [...(followers.get(earlier) ?? []), step]);
  const order = steps.filter((step) => waiting.get(step)?.size === 0);
  for (const step of order)
    for (const follower of followers.get(step) ?? []) {
      const before = waiting.get(follower);
      before?.delete(step);
      if (before?.size === 0) order.push(follower);
    }
  if (order.length === steps.length) return { order, circular: [] };
  return { order, circular: circleOf(steps.filter((step) => !order.includes(step))) };
}

/** The jobs of one circle among steps that all wait: followed backwards until a step comes twice. */
function circleOf(stuck: readonly Step[]): Job[] {
  const path: Step[] = [];
  let step = stuck[0];
  while (step !== undefined && !path.includes(step)) {
    path.push(step);
    step = [...step.needs, ...step.after].find((before) => stuck.includes(before));
  }
  const circle = step === undefined ? path : path.slice(path.indexOf(step));
  return [...new Set(circle.flatMap((member) => member.jobs))];
}

/** True when `from` comes, directly or not, after `to`: an edge from `to` to wait for `from` would close a circle. */
export function comesAfter(from: Step, to: Step): boolean {
  const seen = new Set<Step>();
  const open = [from];
  for (const step of open) {
    if (step === to) return true;
    for (const before of [...step.needs, ...step.after])
      if (!seen.has(before)) {
        seen.add(before);
        open.push(before);
      }
  }
  return false;
}
