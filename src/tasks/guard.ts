import type { Job } from '../jobs/job.js';

/** From here on removals have to be a large part of what is applied to be stopped. */
const ALWAYS_ALLOWED = 10;
const LARGE_PART = 0.25;

export interface GuardInput {
  readonly jobs: readonly Job[];
  /** Identities of what the record says is applied: the removal of anything else takes nothing away. */
  readonly applied: readonly string[];
  /** MAX_REMOVALS, where set. */
  readonly maxRemovals: number | undefined;
  /** The revision holds no files at all. */
  readonly isEmpty: boolean;
  /** The repository's first commits are not those it had before. */
  readonly isAnother: boolean;
}

export interface Guarded {
  readonly why: string;
  /** Paths and names of what would be removed, sorted. */
  readonly removals: readonly string[];
}

/** Whether a run would remove so much that a person has to look first; undefined lets it go on. Pure. */
export function guard(input: GuardInput): Guarded | undefined {
  const applied = new Set(input.applied);
  const removals = input.jobs
    .filter((job) => job.action === 'remove' && job.isReplaced !== true && applied.has(job.identity))
    .map((job) => `${job.path} (${job.identity})`);
  const why = reason(removals.length, input);
  if (why === undefined) return undefined;
  return { why, removals: [...new Set(removals)].sort() };
}

function reason(count: number, { maxRemovals, isEmpty, isAnother, ...rest }: GuardInput): string | undefined {
  const applied = new Set(rest.applied).size;
  if (count === 0) return undefined;
  const what = `${count} of ${applied} published things would be removed`;
  if (isEmpty) return `the state repository is suddenly empty: ${what}`;
  if (isAnother) return `this is another state repository than before (its first commit differs): ${what}`;
  if (count >= applied && applied > 1) return `everything would be removed: ${what}`;
  if (maxRemovals !== undefined)
    return count > maxRemovals ? `${what}, more than MAX_REMOVALS=${maxRemovals}` : undefined;
  return count > ALWAYS_ALLOWED && count > applied * LARGE_PART
    ? `${what}, more than ${ALWAYS_ALLOWED} and more than ${LARGE_PART * 100} %`
    : undefined;
}
