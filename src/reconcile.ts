import type { ManifestEntry, StateRepository } from './hooks/repository.js';
import type { Job } from './jobs/job.js';
import type { FilterName, SkipName } from './jobs/kind.js';
import { loadKinds } from './jobs/load-kinds.js';
import { isListened } from './jobs/locate.js';
import type { Clock } from './lib/clock.js';
import { AgentError } from './lib/errors.js';
import { digest, sha256 } from './lib/hash.js';
import type { Logger } from './lib/log.js';
import type { FileRecord } from './state/records.js';
import type { StateStore } from './state/store.js';
import { compare, type Candidate } from './tasks/compare.js';
import { decide, type Decision } from './tasks/decide.js';
import { judge, pathsToRead, type SlaveFilter, type Verdict } from './tasks/judge.js';
import { guard } from './tasks/guard.js';
import { Ledger } from './tasks/ledger.js';
import type { Plan } from './tasks/plan.js';
import type { JobOutcome } from './tasks/run.js';
import type { Transfer } from './transfer/transfer.js';

export interface ReconcileSettings {
  readonly channels: readonly string[];
  readonly include: readonly string[] | undefined;
  readonly filters: Readonly<Record<FilterName, SlaveFilter>>;
  readonly skip: Readonly<Record<SkipName, boolean>>;
  /** Digest of every setting that decides what this slave takes and where it goes. */
  readonly digest: string;
}

/** Plans and runs jobs; opened only when there are any, since it connects to everything. */
export interface Workshop {
  plan(jobs: readonly Job[]): Plan;
  run(plan: Plan, onJob: (job: Job, outcome: JobOutcome) => void): Promise<void>;
}

export interface ReconcileInput {
  readonly repository: StateRepository;
  readonly store: StateStore;
  readonly settings: ReconcileSettings;
  readonly transfer: () => Promise<Transfer>;
  readonly workshop: () => Promise<Workshop>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly redact: (text: string) => string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The environment file's path in the repository: whoever can push there could set any command, so it must not be there. */
  readonly refusedFile: string | undefined;
  readonly maxRemovals: number | undefined;
  /** The number of this run, by which an operator can approve what the guard stopped. */
  readonly run: number;
  /** Leaves out failures that are not due yet. */
  readonly onlyDue: boolean;
  /** Removes what the settings no longer take. */
  readonly prune: boolean;
}

export interface JobResult {
  readonly path: string;
  readonly action: string;
  readonly kind: string;
  readonly name: string;
  readonly state: 'done' | 'failed' | 'stopped' | 'excluded';
  readonly message: string | undefined;
  /** True for a failure of an earlier run that was not tried again. */
  readonly known: boolean;
}

export interface Reconciled {
  readonly revision: string;
  readonly results: readonly JobResult[];
  /** Task files that were as recorded. */
  readonly unchanged: number;
  /** Files outside the known folders of the listened channels. */
  readonly ignored: number;
}

/** The record's setting that holds the digest of the last state in which nothing was left to do. */
export const SETTLED = 'settled';

/** The record's settings for the removal guard: the run it stopped last, and the list that was approved. */
export const GUARDED = 'guarded';
export const APPROVED = 'approved';

export interface StoppedRun {
  readonly run: number;
  readonly digest: string;
}

/**
 * Closes the difference between what the state repository says and what this slave has applied: desired, applied,
 * jobs, plan, run, record. Level-triggered: it does not matter why or how often it is called.
 */
export async function reconcile(input: ReconcileInput): Promise<Reconciled> {
  const { repository, store, settings } = input;
  const revision = await repository.target();
  const entries = await readDesired(revision, input);
  const state = stateDigest(entries, settings);
  if (!input.prune && store.setting(SETTLED) === state)
    return { revision, results: [], unchanged: entries.length, ignored: 0 };

  const { difference, verdicts, decision, ledger } = await prepare(revision, entries, input);
  const results: JobResult[] = [
    ...difference.knownFailures.map((file) => knownFailure(file)),
    ...verdicts.flatMap((verdict) => verdictResult(verdict)),
  ];
  await guardRemovals(revision, entries, decision, input);
  ledger.begin(verdicts, decision, difference.forgotten);
  for (const { job, error } of decision.conflicts)
    results.push(jobResult(job, 'failed', ledger.refused(job, error)));
  for (const job of decision.superseded) results.push(jobResult(job, 'done', ledger.superseded(job)));
  if (decision.jobs.length > 0) {
    const workshop = await input.workshop();
    await workshop.run(workshop.plan(decision.jobs), (job, outcome) => {
      ledger.settled(job, outcome);
      results.push(outcomeResult(job, outcome));
    });
  }
  if (results.every((result) => result.state === 'done' || result.state === 'excluded'))
    store.setSetting(SETTLED, state);
  return { revision, results, unchanged: difference.unchanged, ignored: difference.ignored };
}

/** Stops a run that would remove too much before its first change; exactly that list can be approved. */
async function guardRemovals(
  revision: string,
  entries: readonly ManifestEntry[],
  decision: Decision,
  { repository, store, maxRemovals, run }: ReconcileInput,
): Promise<void> {
  const root = await repository.rootId(revision);
  const knownRoot = store.setting('root');
  const guarded = guard({
    jobs: decision.jobs,
    applied: store.publications().length,
    maxRemovals,
    isEmpty: entries.length === 0,
    isAnother: root !== undefined && knownRoot !== undefined && root !== knownRoot,
  });
  if (guarded !== undefined && store.setting(APPROVED) !== guarded.digest) {
    // The same list keeps its number, however often it is stopped.
    const before = JSON.parse(store.setting(GUARDED) ?? '{}') as Partial<StoppedRun>;
    const stopped: StoppedRun = {
      run,
      ...(before.digest === guarded.digest ? before : {}),
      digest: guarded.digest,
    };
    store.setSetting(GUARDED, JSON.stringify(stopped));
    const list = guarded.removals.map((removal) => `  ${removal}`).join('\n');
    throw new AgentError('guarded', `stopped before the first change: ${guarded.why}:\n${list}`, {
      retry: 'transient',
      hint: `If that is what the master means, allow exactly this list with: slave-sync approve ${stopped.run}`,
    });
  }
  if (root !== undefined) store.setSetting('root', root);
}

/** What a run would do, without doing or recording any of it. */
export async function preview(
  input: ReconcileInput,
): Promise<{ revision: string; decision: Decision; plan: Plan }> {
  const revision = await input.repository.target();
  const entries = await readDesired(revision, input);
  const { decision } = await prepare(revision, entries, input);
  return { revision, decision, plan: (await input.workshop()).plan(decision.jobs) };
}

/** What the state repository says: all files of the revision. */
async function readDesired(
  revision: string,
  { repository, refusedFile, log }: ReconcileInput,
): Promise<readonly ManifestEntry[]> {
  const { entries, undecodable } = await repository.manifest(revision);
  if (undecodable.length > 0)
    log.warn('files whose names are not UTF-8 are left out', { paths: undecodable });
  if (refusedFile !== undefined && entries.some((entry) => entry.path === refusedFile))
    throw new AgentError(
      'invalid-config',
      `the environment file ${refusedFile} is tracked by the state repository: whoever can push there could set any command`,
      {
        retry: 'final',
        hint: 'Remove it from the repository, or keep the settings elsewhere with --env-file.',
      },
    );
  return entries;
}

/** Desired against applied: reads, judges and decides. Nothing is written. */
async function prepare(revision: string, entries: readonly ManifestEntry[], input: ReconcileInput) {
  const { store, settings, clock } = input;
  const kinds = await loadKinds();
  const files = store.files();
  const publications = store.publications();
  const present = new Set(entries.map((entry) => entry.path));
  const difference = compare({
    desired: entries,
    files,
    publications,
    channels: settings.channels,
    kinds,
    settings: settings.digest,
    include: settings.include,
    now: clock.now(),
    onlyDue: input.onlyDue,
  });
  const contents = await input.repository.read(revision, pathsToRead(difference.candidates, present));
  const ledger = new Ledger(
    {
      store,
      revision,
      settings: settings.digest,
      now: () => clock.now(),
      random: input.random,
      redact: input.redact,
    },
    { files, publications, candidates: difference.candidates, present },
  );
  const candidates = difference.candidates.filter((candidate) => {
    const known = sameContent(candidate, contents.get(candidate.path), files, settings.digest);
    if (known) ledger.sameContent(known, candidate.blobId);
    return !known;
  });
  const verdicts = await judge({
    candidates,
    contents,
    publications,
    filters: settings.filters,
    skip: settings.skip,
    transfer: input.transfer,
    signal: input.signal,
  });
  const decision = decide({ verdicts, difference, files, publications, kinds, prune: input.prune });
  return { difference, verdicts, decision, ledger };
}

/** Mercurial gives a new id to a change and its undoing: what was settled with the same bytes stays settled. */
function sameContent(
  candidate: Candidate,
  bytes: Buffer | undefined,
  files: ReadonlyMap<string, FileRecord>,
  settings: string,
): FileRecord | undefined {
  const record = files.get(candidate.path);
  if (record === undefined || bytes === undefined || record.settings !== settings) return undefined;
  if (record.blobId === candidate.blobId || record.contentHash !== sha256(bytes)) return undefined;
  return record.state === 'done' || record.state === 'excluded' || record.state === 'unmanaged'
    ? record
    : undefined;
}

/** Of the files of listened channels only: what happens in others is nothing to this slave. */
function stateDigest(entries: readonly ManifestEntry[], settings: ReconcileSettings): string {
  const listened = entries.filter((entry) => isListened(entry.path, settings.channels));
  return digest([settings.digest, settings.include ?? null, listened.map((e) => `${e.path}\0${e.blobId}`)]);
}

function knownFailure(file: FileRecord): JobResult {
  return {
    path: file.path,
    action: file.action,
    kind: file.kind,
    name: file.name ?? file.path,
    state: 'failed',
    message: file.failure?.message,
    known: true,
  };
}

function verdictResult(verdict: Verdict): JobResult[] {
  switch (verdict.type) {
    case 'job':
      return [];
    case 'excluded': {
      const { path, action, location } = verdict.file;
      return [
        {
          path,
          action,
          kind: location.kind.name,
          name: path,
          state: 'excluded',
          message: verdict.why,
          known: false,
        },
      ];
    }
    case 'rejected': {
      const { path, error, file } = verdict;
      const kind = file?.location.kind.name ?? '';
      const message = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
      return [{ path, action: file?.action ?? '', kind, name: path, state: 'failed', message, known: false }];
    }
  }
}

function outcomeResult(job: Job, outcome: JobOutcome): JobResult {
  switch (outcome.type) {
    case 'done':
      return jobResult(job, 'done', outcome.warnings.length === 0 ? undefined : outcome.warnings.join('; '));
    case 'failed':
      return jobResult(job, 'failed', outcome.failure.message);
    case 'stopped':
      return jobResult(job, 'stopped', 'the run was stopped; the next one goes on here');
  }
}

function jobResult(job: Job, state: JobResult['state'], message: string | undefined): JobResult {
  const { path, action, kind, name } = job;
  return { path, action, kind, name, state, message, known: false };
}
