import type { Job } from '../jobs/job.js';
import type { Kind } from '../jobs/kind.js';
import { checkSpec } from '../jobs/parse.js';
import type { FileRecord, PublicationRecord } from '../state/records.js';
import type { Comparison } from './compare.js';
import { claims, findConflicts, type Conflict } from './conflicts.js';
import type { Verdict } from './judge.js';
import { planRemovals } from './removals.js';

export interface DecideInput {
  readonly verdicts: readonly Verdict[];
  readonly difference: Comparison;
  readonly files: ReadonlyMap<string, FileRecord>;
  readonly publications: readonly PublicationRecord[];
  readonly kinds: readonly Kind[];
  /** Removes what the settings no longer take. */
  readonly prune: boolean;
}

export interface Decision {
  readonly jobs: readonly Job[];
  readonly conflicts: readonly Conflict[];
  /** Removals that ask for nothing, since another task file publishes the same thing. */
  readonly superseded: readonly Job[];
  readonly handedOver: readonly PublicationRecord[];
  /** Applied, and no longer taken by the settings: left as they are. */
  readonly unmanaged: readonly PublicationRecord[];
}

/** From verdicts to the jobs of this run: what to publish, what to remove, and what to leave alone. Pure. */
export function decide(input: DecideInput): Decision {
  const { verdicts, difference, publications } = input;
  const accepted = verdicts.flatMap((verdict) => (verdict.type === 'job' ? [verdict.job] : []));
  const settled = publishedBefore(input);
  const conflicts = findConflicts(accepted, settled.paths, publications);
  const refused = new Set(conflicts.map((conflict) => conflict.job));
  const jobs = accepted.filter((job) => !refused.has(job));
  const published = new Map(settled.kinds);
  for (const job of accepted) if (claims(job.action)) published.set(job.identity, job.kind);

  const excluded = new Set(verdicts.flatMap((v) => (v.type === 'excluded' ? [v.file.path] : [])));
  const unmanaged = [...difference.unlistened, ...publications.filter((p) => excluded.has(p.path))];
  const identityNow = new Map(
    jobs.filter((job) => claims(job.action)).map((job) => [job.path, job.identity]),
  );
  const renamed = publications.filter((p) => (identityNow.get(p.path) ?? p.identity) !== p.identity);
  const removals = planRemovals({
    publications: [...difference.gone, ...renamed, ...(input.prune ? unmanaged : [])],
    kinds: input.kinds,
    published,
  });

  const explicit = jobs.filter((job) => job.action === 'remove');
  const superseded = explicit.filter((job) => published.get(job.identity) === job.kind);
  return {
    jobs: [
      ...jobs.filter((job) => !superseded.includes(job)).map((job) => fromRecord(job, input)),
      ...removals.jobs,
    ],
    conflicts,
    superseded,
    handedOver: removals.handedOver,
    unmanaged: input.prune ? [] : unmanaged,
  };
}

/** Identities that files publish which are not judged in this run. */
function publishedBefore({ difference, files, verdicts }: DecideInput) {
  const judged = new Set(difference.candidates.map((candidate) => candidate.path));
  const gone = new Set(difference.forgotten.map((file) => file.path));
  const rejected = new Set(verdicts.flatMap((v) => (v.type === 'rejected' ? [v.path] : [])));
  const paths = new Map<string, string>();
  const kinds = new Map<string, string>();
  for (const file of files.values()) {
    if (file.identity === undefined || !claims(file.action) || gone.has(file.path)) continue;
    // A file that cannot be read today still stands for what it published.
    if (judged.has(file.path) && !rejected.has(file.path)) continue;
    if (file.state === 'excluded' || file.failure?.reason === 'conflict') continue;
    paths.set(file.identity, file.path);
    kinds.set(file.identity, file.kind);
  }
  return { paths, kinds };
}

/** A task file that says "remove" knows less than the record: where the record knows the thing, it decides. */
function fromRecord(job: Job, { publications, kinds }: DecideInput): Job {
  if (job.action !== 'remove') return job;
  const known = publications.find((p) => p.identity === job.identity && p.kind === job.kind);
  const action = kinds.find((kind) => kind.name === job.kind)?.actions['remove'];
  return known && action ? { ...job, spec: checkSpec(job.path, known.spec, action) } : job;
}
