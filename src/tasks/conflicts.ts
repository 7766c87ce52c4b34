import type { Job } from '../jobs/job.js';
import type { Kind, Spec } from '../jobs/kind.js';
import { AgentError } from '../lib/errors.js';

export interface Conflict {
  readonly job: Job;
  readonly error: AgentError;
}

/** Actions by which a task file claims its identity for itself. */
export function claims(action: string): boolean {
  return action === 'publish';
}

/** The identity, and what else only one task file may make. */
export function claimsOf(
  of: { readonly identity: string; readonly kind: string; readonly spec: Spec },
  kinds: readonly Kind[],
): readonly string[] {
  const kind = kinds.find(({ name }) => name === of.kind);
  return [of.identity, ...(kind?.claimsOf?.(of.spec) ?? [])];
}

/** A claim of a table or of its access view. */
export function isRelation(claim: string): boolean {
  return claim.startsWith('relation:');
}

export interface ConflictInput {
  readonly jobs: readonly Job[];
  /** What a job claims for itself alone: its identity, and what its kind says besides. */
  readonly claimsOf: (job: Job) => readonly string[];
  /** Claims of files that are not judged again in this run, with their paths. */
  readonly settled: ReadonlyMap<string, string>;
  /** Whether what a file published before, as the record has it, had this claim. */
  readonly isApplied: (path: string, claim: string) => boolean;
}

/**
 * Two task files that publish one thing: the one that is applied already stays, so that nothing goes away; when none
 * is, all are refused. Every message names all of them.
 */
export function findConflicts({ jobs, claimsOf, settled, isApplied }: ConflictInput): Conflict[] {
  const claimants = new Map<string, Job[]>();
  for (const job of jobs)
    if (claims(job.action))
      for (const claim of claimsOf(job)) claimants.set(claim, [...(claimants.get(claim) ?? []), job]);
  const conflicts = new Map<Job, Conflict>();
  for (const [claim, rivals] of claimants) {
    const other = settled.get(claim);
    const paths = [...new Set([...rivals.map((job) => job.path), ...(other === undefined ? [] : [other])])];
    if (paths.length < 2) continue;
    const owner = other ?? rivals.find((job) => isApplied(job.path, claim))?.path;
    for (const job of rivals)
      if (job.path !== owner && !conflicts.has(job))
        conflicts.set(job, { job, error: refusal(paths, claim, owner) });
  }
  return [...conflicts.values()];
}

function refusal(paths: readonly string[], claim: string, owner: string | undefined): AgentError {
  return new AgentError('conflict', `${paths.join(' and ')} publish the same thing (${claim})`, {
    // Not final: the other file's change mends it, and this one's record would not notice.
    retry: 'remote',
    hint:
      owner === undefined
        ? 'Remove or rename all but one of them.'
        : `${owner} stays as it is; remove or rename one of them.`,
  });
}
