import type { Job } from '../jobs/job.js';
import { AgentError } from '../lib/errors.js';
import type { PublicationRecord } from '../state/records.js';

export interface Conflict {
  readonly job: Job;
  readonly error: AgentError;
}

/** Actions by which a task file claims its identity for itself. */
export function claims(action: string): boolean {
  return action === 'publish';
}

/**
 * Two task files that publish one thing: the one that is applied already stays, so that nothing goes away; when none
 * is, all are refused. Every message names all of them.
 * @param settled identities published by files that are not judged again in this run, with their paths
 */
export function findConflicts(
  jobs: readonly Job[],
  settled: ReadonlyMap<string, string>,
  publications: readonly PublicationRecord[],
): Conflict[] {
  const claimants = new Map<string, Job[]>();
  for (const job of jobs)
    if (claims(job.action)) claimants.set(job.identity, [...(claimants.get(job.identity) ?? []), job]);
  return [...claimants].flatMap(([identity, rivals]) => {
    const other = settled.get(identity);
    const paths = [...new Set([...rivals.map((job) => job.path), ...(other === undefined ? [] : [other])])];
    if (paths.length < 2) return [];
    const owner =
      other ??
      rivals.find((job) => publications.some((p) => p.path === job.path && p.identity === identity))?.path;
    return rivals
      .filter((job) => job.path !== owner)
      .map((job) => ({
        job,
        error: new AgentError('conflict', `${paths.join(' and ')} publish the same thing (${identity})`, {
          // Not final: the other file's change mends it, and this one's record would not notice.
          retry: 'remote',
          hint:
            owner === undefined
              ? 'Remove all but one of them.'
              : `${owner} stays as it is; remove one of them.`,
        }),
      }));
  });
}
