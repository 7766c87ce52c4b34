import type { Kind } from '../jobs/kind.js';
import { isListened, locate, overlayPath, type Location } from '../jobs/locate.js';
import type { FileRecord, PublicationRecord } from '../state/records.js';
import { dueAgainAt } from './due.js';

/** One file of the target revision, as the state repository lists it. */
export interface DesiredFile {
  readonly path: string;
  /** Changes whenever the content does. */
  readonly blobId: string;
  readonly type: 'file' | 'symlink' | 'submodule';
}

/** Instead of an id in the record of a file that is no longer there. When it comes back, it is new, whatever is in it. */
export const WITHDRAWN = '';

export interface Candidate extends DesiredFile {
  readonly location: Location;
  /** When it was last due by time. */
  readonly dueAt?: Date | undefined;
}

export interface Comparison {
  /** Task files that have to be read: new, changed, unfinished, due again, or judged under other settings. */
  readonly candidates: readonly Candidate[];
  /** Files whose failure only a change of the file can mend: not tried again, and still failing. */
  readonly knownFailures: readonly FileRecord[];
  /** What is or may be applied and whose task file is gone: to be removed. */
  readonly gone: readonly PublicationRecord[];
  /** What is or may be applied and whose task file lies in a channel that is no longer listened to. */
  readonly unlistened: readonly PublicationRecord[];
  /** Records of files that are no longer there, or of which nothing is applied and nobody listens. */
  readonly forgotten: readonly FileRecord[];
  readonly unchanged: number;
  /** Files outside the known folders of the listened channels. */
  readonly ignored: number;
}

export interface CompareInput {
  readonly desired: readonly DesiredFile[];
  readonly files: ReadonlyMap<string, FileRecord>;
  readonly publications: readonly PublicationRecord[];
  readonly channels: readonly string[];
  readonly kinds: readonly Kind[];
  /** Digest of the settings that decide what this slave takes and where it goes. */
  readonly settings: string;
  /** Only these paths, for INCLUDE; all when undefined. */
  readonly include: readonly string[] | undefined;
  readonly now: Date;
  /** Leaves out what failed and is not due yet (the daemon); false tries all but final failures. */
  readonly onlyDue: boolean;
}

/**
 * Compares what the state repository says with what the record says. Pure. The arguments of a hook play no part in it:
 * only this finds what a rejected pull had published, what a missed hook left, and what a rewritten history took away.
 */
export function compare(input: CompareInput): Comparison {
  const candidates = new Map<string, Candidate>();
  const knownFailures: FileRecord[] = [];
  const present = new Map(input.desired.map((file) => [file.path, file]));
  let unchanged = 0;
  let ignored = 0;
  for (const file of input.desired) {
    const location = isListened(file.path, input.channels) ? locate(file.path, input.kinds) : undefined;
    const chosen = input.include === undefined || input.include.includes(file.path);
    if (location === undefined || !chosen) {
      ignored += 1;
      continue;
    }
    const record = input.files.get(file.path);
    if (isDue(file, location, record, input))
      candidates.set(file.path, { ...file, location, dueAt: lastDueAt(record, location, input) });
    else if (record?.state === 'failed') knownFailures.push(record);
    else unchanged += 1;
  }
  // A changed overlay may mend the file it belongs to.
  for (const failure of [...knownFailures]) {
    const file = present.get(failure.path);
    const location = locate(failure.path, input.kinds);
    if (file === undefined || location === undefined) continue;
    const overlay = overlayPath(failure.path, location.kind);
    if (overlay === undefined || !candidates.has(overlay)) continue;
    candidates.set(file.path, { ...file, location, dueAt: failure.dueAt });
    knownFailures.splice(knownFailures.indexOf(failure), 1);
  }
  const kinds = new Map(input.kinds.map((kind) => [kind.name, kind]));
  const isChosen = ({ path }: { readonly path: string }): boolean => input.include?.includes(path) ?? true;
  const applied = input.publications.filter((p) => kinds.get(p.kind)?.removable === true && isChosen(p));
  const unlistened = applied.filter((p) => present.has(p.path) && !isListened(p.path, input.channels));
  const held = new Set(unlistened.map((p) => p.path));
  const isForgotten = ({ path }: FileRecord): boolean =>
    !present.has(path) || (!isListened(path, input.channels) && !held.has(path));
  return {
    candidates: [...candidates.values()],
    knownFailures,
    gone: applied.filter((p) => !present.has(p.path)),
    unlistened,
    forgotten: [...input.files.values()].filter((file) => isForgotten(file) && isChosen(file)),
    unchanged,
    ignored,
  };
}

function isDue(
  file: DesiredFile,
  location: Location,
  record: FileRecord | undefined,
  input: CompareInput,
): boolean {
  if (record?.blobId !== file.blobId || record.settings !== input.settings) return true;
  switch (record.state) {
    case 'pending':
      return true;
    case 'failed':
      return !isWaiting(record, input);
    case 'done':
      return isDueByTime(record, location, input);
    case 'excluded':
    case 'unmanaged':
      return false;
  }
}

/** Whether what failed is not tried again yet. */
function isWaiting(
  { failure, nextAttemptAt }: FileRecord,
  { onlyDue, now }: Pick<CompareInput, 'onlyDue' | 'now'>,
): boolean {
  return failure?.retry === 'final' || (onlyDue && nextAttemptAt !== undefined && nextAttemptAt > now);
}

/** Whether the removal of what a withdrawn file published has failed, and is not tried again yet. */
export function isWaitingRemoval(
  record: FileRecord | undefined,
  input: Pick<CompareInput, 'onlyDue' | 'now' | 'settings'>,
): record is FileRecord {
  if (record?.state !== 'failed' || record.blobId !== WITHDRAWN || record.settings !== input.settings)
    return false;
  return isWaiting(record, input);
}

function isDueByTime(record: FileRecord, { kind }: Location, { now }: CompareInput): boolean {
  const at = dueAgainAt(record, kind);
  return at !== undefined && at <= now;
}

/** Kept until its job is done, so that what was interrupted goes on. */
function lastDueAt(
  record: FileRecord | undefined,
  location: Location,
  input: CompareInput,
): Date | undefined {
  if (record === undefined) return undefined;
  return isDueByTime(record, location, input) ? dueAgainAt(record, location.kind) : record.dueAt;
}
