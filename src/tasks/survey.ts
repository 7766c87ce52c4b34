import { randomUUID } from 'node:crypto';
import type { Parts } from '../jobs/job.js';
import type { FilterName, Kind, SkipName } from '../jobs/kind.js';
import { loadKinds } from '../jobs/load-kinds.js';
import { isListened, locate } from '../jobs/locate.js';
import type { Clock } from '../lib/clock.js';
import { sha256 } from '../lib/hash.js';
import type { FileRecord, PublicationRecord } from '../state/records.js';
import type { StateStore } from '../state/store.js';
import type { Transfer } from '../transfer/transfer.js';
import { compare, isWaitingRemoval, type Candidate, type DesiredFile } from './compare.js';
import { decide } from './decide.js';
import { judge, pathsToRead, withKeys, type SlaveFilter, type Verdict } from './judge.js';
import { prunableParts, type SkippedParts } from './left-parts.js';
import { Ledger } from './ledger.js';
import { madeOf, versionsOf } from './versions.js';
import { loadTasks } from './load-tasks.js';

/** What decides which task files this slave takes. */
export interface SurveySettings {
  readonly channels: readonly string[];
  readonly include: readonly string[] | undefined;
  readonly filters: Readonly<Record<FilterName, SlaveFilter>>;
  readonly skip: Readonly<Record<SkipName, boolean>> & SkippedParts;
  /** Digest of every setting that decides what this slave takes and where it goes. */
  readonly digest: string;
}

export interface SurveyInput {
  readonly revision: string;
  /** All files of the revision. */
  readonly entries: readonly DesiredFile[];
  /** Their bytes, by path; one that cannot be read is missing. */
  readonly read: (paths: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>;
  readonly store: StateStore;
  readonly settings: SurveySettings;
  readonly transfer: () => Promise<Transfer>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
  /** Leaves out failures that are not due yet. */
  readonly onlyDue: boolean;
  /** Removes what the settings no longer take. */
  readonly prune: boolean;
}

/** Desired against applied: reads, judges and decides. Nothing is written. */
export async function survey(input: SurveyInput) {
  const { store, settings, clock, revision, entries } = input;
  const kinds = await loadKinds();
  const files = store.files();
  const publications = store.publications();
  const present = new Set(entries.map((entry) => entry.path));
  const when = { settings: settings.digest, now: clock.now(), onlyDue: input.onlyDue };
  const { channels, include } = settings;
  const difference = compare({ desired: entries, files, publications, channels, kinds, include, ...when });
  const ledger = new Ledger(
    {
      store,
      revision,
      settings: settings.digest,
      now: () => clock.now(),
      random: input.random,
      redact: input.redact,
    },
    { files, publications, entries: entries.filter(({ path }) => isListened(path, settings.channels)) },
  );
  const judgeAll = async (candidates: readonly Candidate[]): Promise<Verdict[]> => {
    const contents = await input.read(pathsToRead(candidates, present));
    const changed = candidates.filter((candidate) => {
      const known = sameContent(candidate, contents.get(candidate.path), files, settings.digest);
      if (known) ledger.sameContent(known, candidate.blobId);
      return !known;
    });
    const { filters, skip } = settings;
    const { transfer, signal } = input;
    return judge({ candidates: changed, contents, publications, filters, skip, transfer, signal });
  };
  const first = await judgeAll(difference.candidates);
  const goingNow = difference.gone.filter(({ path }) => !isWaitingRemoval(files.get(path), when));
  const replacing = pathsReplacing(goingNow, files);
  const dependents = findDependents(first, entries, publications, files, kinds, settings.channels, replacing);
  const seen = new Set(difference.candidates.map((candidate) => candidate.path));
  const second = await judgeAll(dependents.filter((candidate) => !seen.has(candidate.path)));
  const judged = [...first, ...second];
  const versions = versionsOf(judged, files, publications, kinds);
  const verdicts = withKeys(judged, publications, versions, randomUUID);
  const { prune } = input;
  const prunable = prune ? await findPrunable(publications, store, settings.skip) : new Map<string, Parts>();
  const decision = decide({
    ...{ verdicts, difference, files, publications, kinds, prune, prunable },
    isWaitingRemoval: (file) => isWaitingRemoval(file, when),
  });
  return { difference, verdicts, decision, ledger };
}

/** Parts of what is applied that SKIP_DB and SKIP_GS have let go of, by path. */
async function findPrunable(
  publications: readonly PublicationRecord[],
  store: StateStore,
  skip: SkippedParts,
): Promise<Map<string, Parts>> {
  if (!skip.db && !skip.gs) return new Map();
  const definitions = await loadTasks();
  const records = store.tasks();
  return new Map(
    publications.flatMap(({ path }) => {
      const parts = prunableParts(records.get(path) ?? [], skip, definitions);
      return parts === undefined ? [] : [[path, parts]];
    }),
  );
}

/** Task files that publish what is removed in this run, as another kind: what has gone would be away until they are due. */
function pathsReplacing(
  gone: readonly PublicationRecord[],
  files: ReadonlyMap<string, FileRecord>,
): readonly string[] {
  const kinds = new Map(gone.map(({ identity, kind }) => [identity, kind]));
  return [...files.values()].flatMap(({ path, identity = '', kind }) =>
    kinds.has(identity) && kinds.get(identity) !== kind ? [path] : [],
  );
}

/** Task files made of something that is published in this run, a group whose member comes or changes, and these. */
function findDependents(
  verdicts: readonly Verdict[],
  entries: readonly DesiredFile[],
  publications: readonly PublicationRecord[],
  files: ReadonlyMap<string, FileRecord>,
  kinds: readonly Kind[],
  channels: readonly string[],
  others: readonly string[],
): Candidate[] {
  const touched = new Set(
    verdicts.flatMap((v) => (v.type === 'job' && v.job.action !== 'remove' ? [v.job.identity] : [])),
  );
  const waiting = new Set([...madeOf(touched, publications, kinds), ...others]);
  return entries.flatMap((entry) => {
    const location =
      waiting.has(entry.path) && isListened(entry.path, channels) ? locate(entry.path, kinds) : undefined;
    return location === undefined ? [] : [{ ...entry, location, dueAt: files.get(entry.path)?.dueAt }];
  });
}

/** Mercurial gives a new id to a change and its undoing: what was settled with the same bytes stays settled. */
function sameContent(
  candidate: Candidate,
  bytes: Uint8Array | undefined,
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
