import type { Job, Parts } from '../jobs/job.js';
import type { Kind } from '../jobs/kind.js';
import { checkSpec } from '../jobs/parse.js';
import type { FileRecord, PublicationRecord } from '../state/records.js';
import type { Comparison } from './compare.js';
import { claims, claimsOf, findConflicts, isRelation, type Conflict } from './conflicts.js';
import { pathOf, type Verdict } from './judge.js';
import { planRemovals } from './removals.js';

export interface DecideInput {
  readonly verdicts: readonly Verdict[];
  readonly difference: Comparison;
  readonly files: ReadonlyMap<string, FileRecord>;
  readonly publications: readonly PublicationRecord[];
  readonly kinds: readonly Kind[];
  /** Removes what the settings no longer take. */
  readonly prune: boolean;
  /** What is applied and skipped now, by path; removed, too, when pruning. */
  readonly prunable: ReadonlyMap<string, Parts>;
  /** Whether the removal of what this file published has failed, and is not tried again yet. */
  readonly isWaitingRemoval: (file: FileRecord | undefined) => file is FileRecord;
}

export interface Decision {
  readonly jobs: readonly Job[];
  readonly conflicts: readonly Conflict[];
  /** Removals that ask for nothing, since another task file publishes the same thing. */
  readonly superseded: readonly Job[];
  readonly handedOver: readonly PublicationRecord[];
  /** Withdrawn files whose removal has failed and is not tried again in this run. */
  readonly waiting: readonly FileRecord[];
  /** Applied, and no longer taken by the settings: left as they are. */
  readonly unmanaged: readonly PublicationRecord[];
}

/** From verdicts to the jobs of this run: what to publish, what to remove, and what to leave alone. Pure. */
export function decide(input: DecideInput): Decision {
  const { verdicts, difference, publications } = input;
  const accepted = verdicts.flatMap((verdict) => (verdict.type === 'job' ? [verdict.job] : []));
  const settled = publishedBefore(input);
  const conflicts = findConflicts({
    jobs: accepted,
    claimsOf: (job) => claimsOf(job, input.kinds),
    settled: settled.paths,
    isApplied: (path, claim) =>
      publications.some((p) => p.path === path && claimsOf(p, input.kinds).includes(claim)),
  });
  const refused = new Set(conflicts.map((conflict) => conflict.job));
  const jobs = accepted.filter((job) => !refused.has(job));
  const published = new Map(settled.kinds);
  for (const job of accepted) if (claims(job.action)) published.set(job.identity, job.kind);

  const unmanaged = unmanagedPublications(input);
  const renamed = renamedPublications(input, jobs);
  const removals = planRemovals({
    publications: [...difference.gone, ...renamed, ...(input.prune ? unmanaged : [])],
    kinds: input.kinds,
    published,
  });

  const publishing = jobs.filter((job) => claims(job.action));
  const taken = new Set(publishing.map((job) => job.identity));
  const claimed = new Set(publishing.flatMap((job) => claimsOf(job, input.kinds)));
  const isClaimed = (claim: string): boolean => claimed.has(claim) || settled.paths.has(claim);
  const placed = besideOthers(taken, isClaimed, input.kinds);
  // What takes the place of something needs its removal: it goes with it, or neither would ever be done.
  const optional = removals.jobs.filter((job) => !taken.has(job.identity)).map((job) => job.path);
  const waiting = [...new Set(optional)].map((path) => input.files.get(path)).filter(input.isWaitingRemoval);
  const waitingPaths = new Set(waiting.map((file) => file.path));
  const explicit = jobs.filter((job) => job.action === 'remove');
  const superseded = explicit.filter((job) => isOfAnother(job, published, input));
  return {
    jobs: [
      ...jobs
        .filter((job) => !superseded.includes(job))
        .map((job) => (job.action === 'remove' ? placed(fromRecord(job, input)) : job)),
      ...removals.jobs.filter((job) => taken.has(job.identity) || !waitingPaths.has(job.path)).map(placed),
      ...pruneParts(input, new Set(removals.jobs.map((job) => job.path))),
    ],
    conflicts: [...conflicts, ...removals.refused],
    superseded,
    handedOver: removals.handedOver,
    waiting,
    unmanaged: input.prune ? [] : unmanaged,
  };
}

/** Says of a removal what others make of the thing that it removes: something of another kind in its place, its table. */
function besideOthers(
  published: ReadonlySet<string>,
  claimed: (claim: string) => boolean,
  kinds: readonly Kind[],
): (job: Job) => Job {
  return (job) => ({
    ...job,
    ...(published.has(job.identity) ? { isReplaced: true } : {}),
    ...(claimsOf(job, kinds).some((claim) => isRelation(claim) && claimed(claim))
      ? { leavesTable: true }
      : {}),
  });
}

/** What is applied and no longer taken: by its filter (in this run or an earlier one), or because of its channel. */
function unmanagedPublications({
  verdicts,
  difference,
  files,
  publications,
}: DecideInput): PublicationRecord[] {
  const excluded = new Set(verdicts.flatMap((v) => (v.type === 'excluded' ? [v.file.path] : [])));
  const judged = new Set(verdicts.map(pathOf));
  const gone = new Set(difference.gone);
  const before = publications.filter(
    (p) => files.get(p.path)?.state === 'unmanaged' && !judged.has(p.path) && !gone.has(p),
  );
  const now = publications.filter((p) => excluded.has(p.path));
  return [...new Set([...difference.unlistened, ...before, ...now])];
}

/** What a file published before it published something else; found again at each run until its removal is done. */
function renamedPublications(
  { difference, files, publications }: DecideInput,
  jobs: readonly Job[],
): PublicationRecord[] {
  const gone = new Set(difference.forgotten.map((file) => file.path));
  const identityNow = new Map<string, string>();
  for (const file of files.values()) {
    const isTaken = file.state !== 'excluded' && file.state !== 'unmanaged';
    if (file.identity !== undefined && claims(file.action) && isTaken && !gone.has(file.path))
      identityNow.set(file.path, file.identity);
  }
  for (const job of jobs) if (claims(job.action)) identityNow.set(job.path, job.identity);
  return publications.filter((p) => (identityNow.get(p.path) ?? p.identity) !== p.identity);
}

/** Removals of the parts that SKIP_DB and SKIP_GS have let go of, where not the whole is removed. */
function pruneParts(
  { publications, kinds, prunable, difference }: DecideInput,
  removed: ReadonlySet<string>,
): Job[] {
  const others = new Set([...removed, ...difference.gone.map(({ path }) => path)]);
  const kept = publications.filter(({ path }) => prunable.has(path) && !others.has(path));
  const { jobs } = planRemovals({ publications: kept, kinds, published: new Map() });
  return jobs.map((job) => ({ ...job, prunes: prunable.get(job.path) ?? { tables: false, layers: false } }));
}

/** Claims of files that are not judged in this run. */
function publishedBefore({ difference, files, verdicts, kinds: allKinds }: DecideInput) {
  const judged = new Set(difference.candidates.map((candidate) => candidate.path));
  const gone = new Set(difference.forgotten.map((file) => file.path));
  const unlistened = new Set(difference.unlistened.map((publication) => publication.path));
  const rejected = new Set(verdicts.flatMap((v) => (v.type === 'rejected' ? [v.path] : [])));
  const paths = new Map<string, string>();
  const kinds = new Map<string, string>();
  for (const file of files.values()) {
    if (file.identity === undefined || !claims(file.action) || gone.has(file.path)) continue;
    // A file that cannot be read today still stands for what it published.
    if (judged.has(file.path) && !rejected.has(file.path)) continue;
    if (file.state === 'excluded' || file.state === 'unmanaged' || unlistened.has(file.path)) continue;
    if (file.failure?.reason === 'conflict') continue;
    const { identity, kind, spec = {} } = file;
    for (const claim of claimsOf({ identity, kind, spec }, allKinds)) paths.set(claim, file.path);
    kinds.set(file.identity, file.kind);
  }
  return { paths, kinds };
}

/**
 * Whether a file that says "remove" names what another one publishes, or something that is published under another name. A
 * layer that changes its kind is removed as what the record says it was.
 */
function isOfAnother(
  job: Job,
  published: ReadonlyMap<string, string>,
  { publications, kinds }: DecideInput,
): boolean {
  if (published.get(job.identity) === job.kind) return true;
  if (publications.some((p) => p.identity === job.identity && p.kind === job.kind)) return false;
  if (published.has(job.identity)) return true;
  const wanted = claimsOf(job, kinds);
  return publications.some((p) => claimsOf(p, kinds).some((claim) => wanted.includes(claim)));
}

/** A task file that says "remove" knows less than the record: where the record knows the thing, it decides. */
function fromRecord(job: Job, { publications, kinds }: DecideInput): Job {
  const known = publications.find((p) => p.identity === job.identity && p.kind === job.kind);
  const action = kinds.find((kind) => kind.name === job.kind)?.actions['remove'];
  if (!known || !action) return job;
  try {
    return { ...job, spec: checkSpec(job.path, known.spec, action) };
  } catch {
    return job; // Written by another version: the task file has to do.
  }
}
