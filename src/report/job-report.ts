import type { Failure, FileRecord, TaskRecord } from '../state/records.js';
import type { JobReport, TaskReport } from './types.js';

/** What a report takes from a job. */
export interface EndedJob {
  readonly path: string;
  readonly channel: string;
  readonly kind: string;
  /** See Kind. */
  readonly hasLayerRow: boolean;
  readonly action: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  /** Types of its tasks, in order. */
  readonly tasks: readonly string[];
}

export interface JobEnd {
  readonly finishedAt: Date;
  /** Undefined when it is done on all of its targets. */
  readonly failure: Pick<Failure, 'message'> | undefined;
  /** Remarks on a job that is done. */
  readonly warnings?: readonly string[];
  /** What the record says of the file's tasks. */
  readonly tasks: readonly TaskRecord[];
  /** Tasks that were not tried. */
  readonly blocked?: readonly Omit<TaskReport, 'state'>[];
}

/** The report of a job that has ended. Pure. */
export function jobReport(job: EndedJob, end: JobEnd): JobReport {
  const { path, channel, kind, hasLayerRow, action, name, spec } = job;
  const { finishedAt, failure, warnings = [], tasks, blocked = [] } = end;
  const own = tasks.filter((task) => task.action === action);
  const ended = own.flatMap((task) => taskReport(task));
  const all = [...ended, ...blocked.map((task) => ({ ...task, state: 'blocked' as const }))];
  const order = (task: TaskReport): number => job.tasks.indexOf(task.type);
  return {
    path,
    channel,
    kind,
    hasLayerRow,
    action,
    name,
    workspace: typeof spec['name'] === 'string' ? textOf(spec['workspace']) : undefined,
    state: failure === undefined ? 'done' : 'failed',
    failure: failure?.message,
    remark: warnings.length === 0 ? undefined : warnings.join('\n'),
    finishedAt,
    spatialType: textOf(spec['spatial_type']),
    jobId: numberOf(spec['job_id']),
    jobBatchId: textOf(spec['job_batch_id']),
    previewFile: previewOf(own),
    // What failed once on a target that is no longer there stays in the record and is no part of a job that is done.
    tasks: all
      .filter((task) => failure !== undefined || task.state === 'done')
      .sort((a, b) => order(a) - order(b)),
  };
}

/**
 * The report of a task file that failed without a job (it could not be read, or another file publishes the same thing);
 * `published` is what it published before. Undefined when it did not fail, or when nobody knows what it stands for.
 */
export function failedFileReport(
  file: FileRecord & Pick<EndedJob, 'hasLayerRow'>,
  published: Readonly<Record<string, unknown>> | undefined,
): JobReport | undefined {
  const { name, failure } = file;
  const spec = file.spec ?? published;
  if (name === undefined || failure === undefined || spec === undefined) return undefined;
  return jobReport({ ...file, name, spec, tasks: [] }, { finishedAt: file.updatedAt, failure, tasks: [] });
}

function taskReport(task: TaskRecord): TaskReport[] {
  const { type, object, target, state, failure, finishedAt } = task;
  return state === 'started' ? [] : [{ type, object, target, state, message: failure?.message, finishedAt }];
}

function previewOf(tasks: readonly TaskRecord[]): string | undefined {
  const files = tasks.map(({ state, output }) =>
    state === 'done' && output !== null && typeof output === 'object' && 'previewFile' in output
      ? textOf(output.previewFile)
      : undefined,
  );
  return files.find((file) => file !== undefined);
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const LARGEST_INTEGER = 2 ** 31 - 1;

/** The master's column is a 32-bit integer. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && Math.abs(number) <= LARGEST_INTEGER
    ? number
    : undefined;
}
