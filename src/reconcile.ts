import type { ManifestEntry, StateRepository } from './hooks/repository.js';
import type { Job } from './jobs/job.js';
import { isListened } from './jobs/locate.js';
import { AgentError } from './lib/errors.js';
import { digest } from './lib/hash.js';
import type { Logger } from './lib/log.js';
import type { Decision } from './tasks/decide.js';
import type { StateStore } from './state/store.js';
import { guard, type Guarded } from './tasks/guard.js';
import type { Plan } from './tasks/plan.js';
import { pathOf } from './tasks/judge.js';
import { jobResult, knownFailure, outcomeResult, verdictResult, type JobResult } from './tasks/results.js';
import type { JobOutcome } from './tasks/run.js';
import type { SurveyInput, SurveySettings } from './tasks/survey.js';

/** What tasks have to know of the state repository. */
export interface RepositoryView {
  /** A task file of a channel that this slave does not listen to publishes this, of this kind, or may. */
  readonly mayBeElsewhere: (identity: string, kind: string) => Promise<boolean>;
}

/** Plans and runs jobs; opened only when there are any, since it connects to everything. */
export interface Workshop {
  plan(jobs: readonly Job[]): Plan;
  run(plan: Plan, view: RepositoryView, onJob: (job: Job, outcome: JobOutcome) => void): Promise<void>;
}

export interface ReconcileInput extends Omit<SurveyInput, 'revision' | 'entries' | 'read'> {
  readonly repository: StateRepository;
  readonly workshop: () => Promise<Workshop>;
  readonly log: Logger;
  /** Looks at the revision's files before anything acts on them; throws to refuse them. */
  readonly accept: (entries: readonly ManifestEntry[]) => void;
  readonly maxRemovals: number | undefined;
  /** The number of this run, by which an operator can approve what the guard stopped. */
  readonly run: number;
}

export interface Reconciled {
  readonly revision: string;
  readonly results: readonly JobResult[];
  /** Task files that were as recorded. */
  readonly unchanged: number;
  /** Files outside the known folders of the listened channels. */
  readonly ignored: number;
}

/** The record's setting that holds the digest of the last state in which nothing was left to do, and until when. */
export const SETTLED = 'settled';

/** The record's settings for the removal guard: the run it stopped last, and the list of removals that was approved. */
export const GUARDED = 'guarded';
export const APPROVED = 'approved-removals';

export interface StoppedRun {
  readonly run: number;
  readonly removals: readonly string[];
}

/**
 * Closes the difference between what the state repository says and what this slave has applied: desired, applied,
 * jobs, plan, run, record. Level-triggered: it does not matter why or how often it is called.
 */
export async function reconcile(input: ReconcileInput): Promise<Reconciled> {
  const { repository, store, settings } = input;
  const revision = await repository.target();
  const entries = await readDesired(revision, input);
  const state = stateDigest(entries, settings, store);
  if (!input.prune && isSettled(state, input))
    return { revision, results: [], unchanged: entries.length, ignored: 0 };
  // From here on the record may differ from the last settled state, even when a later revision looks like that one again:
  // what a run published beside a failure would stay for ever once both task files are withdrawn.
  store.setSetting(SETTLED, '');

  const { difference, verdicts, decision, ledger } = await surveyAt(revision, entries, input);
  // A failure that was to wait is looked at again after all when something that it is made of, or replaces, changes.
  const judged = new Set(verdicts.map(pathOf));
  const known = difference.knownFailures.filter((file) => !judged.has(file.path));
  const results: JobResult[] = [
    ...[...known, ...decision.waiting].map((file) => knownFailure(file)),
    ...verdicts.flatMap((verdict) => verdictResult(verdict)),
  ];
  // What was stopped while it was read would look as if it had failed.
  input.signal.throwIfAborted();
  await guardRemovals(revision, entries, decision, input);
  ledger.begin(verdicts, decision, difference.forgotten);
  for (const { job, error } of decision.conflicts)
    results.push(jobResult(job, 'failed', ledger.refused(job, error)));
  for (const job of decision.superseded) results.push(jobResult(job, 'done', ledger.superseded(job)));
  if (decision.jobs.length > 0) {
    const [workshop, { makeElsewhere }] = await Promise.all([
      input.workshop(),
      import('./tasks/elsewhere.js'),
    ]);
    const read = (paths: readonly string[]) => repository.read(revision, paths);
    const mayBeElsewhere = makeElsewhere({ entries, read, channels: settings.channels });
    await workshop.run(workshop.plan(decision.jobs), { mayBeElsewhere }, (job, outcome) => {
      ledger.settled(job, outcome);
      results.push(outcomeResult(job, outcome));
    });
  }
  if (results.every((result) => result.state === 'done' || result.state === 'excluded'))
    await settle(stateDigest(entries, settings, store), store);
  return { revision, results, unchanged: difference.unchanged, ignored: difference.ignored };
}

function isSettled(state: string, { store, clock }: ReconcileInput): boolean {
  const [settled, until] = (store.setting(SETTLED) ?? '').split(' ');
  return settled === state && (until === undefined || clock.now() < new Date(until));
}

async function settle(state: string, store: StateStore): Promise<void> {
  const [{ loadKinds }, { nextDueAt }] = await Promise.all([
    import('./jobs/load-kinds.js'),
    import('./tasks/due.js'),
  ]);
  const until = nextDueAt(() => store.files().values(), await loadKinds());
  // `slave-sync retry` waits for no run: what it has made due meanwhile is not settled.
  if (store.hasOpenFiles()) return;
  store.setSetting(SETTLED, until === undefined ? state : `${state} ${until.toISOString()}`);
}

/** What of a run has to be approved, and whether it is; undefined when nothing has to be. */
async function judgeRemovals(
  revision: string,
  entries: readonly ManifestEntry[],
  decision: Decision,
  { repository, store, maxRemovals }: ReconcileInput,
): Promise<{ guarded: Guarded | undefined; isApproved: boolean; root: string | undefined }> {
  const root = await repository.rootId(revision);
  const knownRoot = store.setting('root');
  const guarded = guard({
    jobs: decision.jobs,
    applied: store.publications().map((publication) => publication.identity),
    maxRemovals,
    isEmpty: entries.length === 0,
    isAnother: root !== undefined && knownRoot !== undefined && root !== knownRoot,
  });
  // What is left of an approved list, after a run that did not get to its end, is approved as well.
  const approved = new Set(JSON.parse(store.setting(APPROVED) ?? '[]') as string[]);
  const isApproved = guarded?.removals.every((removal) => approved.has(removal)) ?? false;
  return { guarded, isApproved, root };
}

/** Stops a run that would remove too much before its first change; exactly that list can be approved. */
async function guardRemovals(
  revision: string,
  entries: readonly ManifestEntry[],
  decision: Decision,
  input: ReconcileInput,
): Promise<void> {
  const { store, run } = input;
  const { guarded, isApproved, root } = await judgeRemovals(revision, entries, decision, input);
  if (guarded !== undefined && !isApproved) {
    // The same list keeps its number, however often it is stopped.
    const before = JSON.parse(store.setting(GUARDED) ?? '{}') as Partial<StoppedRun>;
    const { removals } = guarded;
    const isSame = JSON.stringify(before.removals) === JSON.stringify(removals);
    const stopped: StoppedRun = { run, ...(isSame ? before : {}), removals };
    store.setSetting(GUARDED, JSON.stringify(stopped));
    const list = removals.map((removal) => `  ${removal}`).join('\n');
    throw new AgentError('guarded', `stopped before the first change: ${guarded.why}:\n${list}`, {
      retry: 'transient',
      hint: `If that is what the master means, allow exactly this list with: slave-sync approve ${stopped.run}`,
    });
  }
  if (guarded === undefined && store.setting(APPROVED) !== undefined) store.setSetting(APPROVED, '[]');
  if (root !== undefined) store.setSetting('root', root);
}

export interface Preview {
  readonly revision: string;
  readonly decision: Decision;
  readonly plan: Plan;
  /** Why the run would stop before its first change. */
  readonly guarded: Guarded | undefined;
}

/** What a run would do, without doing any of it. Its store has to be one that forgets what is written. */
export async function preview(input: ReconcileInput): Promise<Preview> {
  const revision = await input.repository.target();
  const entries = await readDesired(revision, input);
  const { decision } = await surveyAt(revision, entries, input);
  const { guarded, isApproved } = await judgeRemovals(revision, entries, decision, input);
  const plan = (await input.workshop()).plan(decision.jobs);
  return { revision, decision, plan, guarded: isApproved ? undefined : guarded };
}

/** What the state repository says: all files of the revision. */
async function readDesired(
  revision: string,
  { repository, accept, log }: ReconcileInput,
): Promise<readonly ManifestEntry[]> {
  const { entries, undecodable } = await repository.manifest(revision);
  if (undecodable.length > 0)
    log.warn('files whose names are not UTF-8 are left out', { paths: undecodable });
  accept(entries);
  return entries;
}

async function surveyAt(revision: string, entries: readonly ManifestEntry[], input: ReconcileInput) {
  // Loaded with all kinds and their schemas only when there is something to look at.
  const { survey } = await import('./tasks/survey.js');
  return survey({ ...input, revision, entries, read: (paths) => input.repository.read(revision, paths) });
}

/** Of the files that are this slave's: in listened channels, or published by it. What happens in others is nothing to it. */
function stateDigest(entries: readonly ManifestEntry[], settings: SurveySettings, store: StateStore): string {
  const published = store.publishedPaths();
  const own = entries.flatMap(({ path, blobId }) => {
    const listened = isListened(path, settings.channels);
    return listened || published.has(path) ? [[path, blobId, listened]] : [];
  });
  return digest([settings.digest, settings.include ?? null, own]);
}
