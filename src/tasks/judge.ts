import type { Job } from '../jobs/job.js';
import type { FilterName, Kind, SkipName, Spec } from '../jobs/kind.js';
import { overlayPath } from '../jobs/locate.js';
import { checkSpec, parseTaskFile, type TaskFile } from '../jobs/parse.js';
import { digest } from '../lib/hash.js';
import { AgentError, messageOf, toAgentError } from '../lib/errors.js';
import type { PublicationRecord } from '../state/records.js';
import type { Transfer } from '../transfer/transfer.js';
import type { Candidate } from './compare.js';
import { claims } from './conflicts.js';
import { filterView } from './filter-view.js';
import { hydrate, type MetaSource, type Rejection } from './hydrate.js';

/** A filter of this slave, as configured. */
export interface SlaveFilter {
  /** The variable it comes from, for messages. */
  readonly variable: string;
  accepts(job: Spec): boolean;
}

export interface JudgeInput {
  readonly candidates: readonly Candidate[];
  /** Bytes of the candidates and of their companions, by path. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly publications: readonly PublicationRecord[];
  readonly filters: Readonly<Record<FilterName, SlaveFilter>>;
  readonly skip: Readonly<Record<SkipName, boolean>>;
  readonly transfer: () => Promise<Transfer>;
  readonly signal: AbortSignal;
}

/** What this slave makes of a task file. */
export type Verdict =
  | {
      readonly type: 'job';
      readonly file: TaskFile;
      readonly job: Job;
      readonly merged: Spec;
      /** When it was last due by time. */
      readonly dueAt: Date | undefined;
    }
  | {
      readonly type: 'excluded';
      readonly file: TaskFile;
      readonly identity: string | undefined;
      readonly why: string;
    }
  | {
      readonly type: 'rejected';
      readonly path: string;
      readonly file: TaskFile | undefined;
      readonly error: AgentError;
    };

/** The path of the task file. */
export function pathOf(verdict: Verdict): string {
  return verdict.type === 'rejected' ? verdict.path : verdict.file.path;
}

/** Paths whose contents judging the candidates needs: their own, their overlays, and the files overlays belong to. */
export function pathsToRead(candidates: readonly Candidate[], present: ReadonlySet<string>): string[] {
  const paths = candidates.flatMap(({ path, location }) => [
    path,
    overlayPath(path, location.kind),
    location.base,
  ]);
  return [...new Set(paths.filter((path) => path !== undefined && present.has(path)))].filter(
    (p) => p !== undefined,
  );
}

/**
 * Reads the candidates: parse, merge the meta file, ask the filter, check the schema. A bad one is rejected alone.
 */
export async function judge(input: JudgeInput): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const parsed: TaskFile[] = [];
  for (const candidate of input.candidates) {
    const result = parseCandidate(candidate, input);
    if (result instanceof AgentError)
      verdicts.push({ type: 'rejected', path: candidate.path, file: undefined, error: result });
    else parsed.push(result);
  }
  const wanted: TaskFile[] = [];
  for (const file of parsed) {
    const why = notFor(file, input);
    if (why === undefined) wanted.push(file);
    else verdicts.push({ type: 'excluded', file, identity: undefined, why });
  }
  const overlays = new Map(parseOverlays(input.candidates, input.contents).map((file) => [file.path, file]));
  const { ready, rejected } = await hydrateAll(wanted, overlays, input);
  const files = new Map(parsed.map((file) => [file.path, file]));
  for (const { path, error } of rejected)
    verdicts.push({ type: 'rejected', path, file: files.get(path), error });
  const dueAt = new Map(input.candidates.map((candidate) => [candidate.path, candidate.dueAt]));
  for (const { file, merged } of ready) verdicts.push(judgeOne(file, merged, dueAt.get(file.path), input));
  return verdicts;
}

/**
 * Completes the keys of jobs that publish. Part of them is the publication's generation: after a removal everything is due
 * again, whatever was done before. And its parts: which of them are on this slave, and in which version, so that a group is due
 * again when a member comes, goes, or changes.
 */
export function withKeys(
  verdicts: readonly Verdict[],
  publications: readonly PublicationRecord[],
  versionOf: (identity: string) => string,
  newGeneration: () => string,
): Verdict[] {
  const here = new Set(publications.map((publication) => publication.identity));
  for (const verdict of verdicts) if (verdict.type === 'job') here.add(verdict.job.identity);
  const known = new Map(publications.map((p) => [`${p.path} ${p.identity}`, p.generation]));
  return verdicts.map((verdict) => {
    if (verdict.type !== 'job' || !claims(verdict.job.action)) return verdict;
    const { job, file } = verdict;
    const { kind } = file.location;
    const generation = kind.removable ? (known.get(`${job.path} ${job.identity}`) ?? newGeneration()) : '';
    const parts = kind.dependsOn?.(job.spec).map((part) => [part, here.has(part), versionOf(part)]);
    const key = digest([job.key, generation, parts ?? null]);
    return { ...verdict, job: { ...job, generation, key } };
  });
}

async function hydrateAll(
  files: readonly TaskFile[],
  overlays: ReadonlyMap<string, TaskFile>,
  input: JudgeInput,
) {
  if (files.length === 0) return { ready: [], rejected: [] as Rejection[] };
  // Opened with the first meta file that is not in its task file.
  const { transfer } = input;
  const source: MetaSource = {
    fetch: async (request, signal) => (await transfer()).fetch(request, signal),
    release: (file) => void transfer().then((opened) => opened.release(file)),
  };
  return hydrate(files, overlays, source, input.signal);
}

function parseCandidate(candidate: Candidate, input: JudgeInput): TaskFile | AgentError {
  if (candidate.type !== 'file')
    return invalid(`${candidate.path} is a ${candidate.type}; a task file has to be a regular file`);
  const bytes = input.contents.get(candidate.path);
  if (bytes === undefined)
    return invalid(`${candidate.path} could not be read from the state repository: it is too large`);
  try {
    return parseTaskFile(candidate.path, bytes, candidate.location);
  } catch (error) {
    return toAgentError(error);
  }
}

/** The overlays of all candidates; one that cannot be parsed is rejected by itself and does not count. */
export function parseOverlays(
  candidates: readonly Candidate[],
  contents: ReadonlyMap<string, Uint8Array>,
): TaskFile[] {
  return candidates.flatMap(({ path, location }) => {
    const overlay = overlayPath(path, location.kind);
    const bytes = overlay === undefined ? undefined : contents.get(overlay);
    if (overlay === undefined || bytes === undefined || location.kind.overlay === undefined) return [];
    try {
      return [parseTaskFile(overlay, bytes, { ...location, defaultAction: location.kind.overlay.action })];
    } catch {
      return [];
    }
  });
}

/** Why a file asks nothing of this slave, whatever the filters say. */
function notFor(file: TaskFile, input: JudgeInput): string | undefined {
  const { kind, base } = file.location;
  if (kind.skip !== undefined && input.skip[kind.skip]) return `left out by SKIP_${kind.skip.toUpperCase()}`;
  if (base === file.path) return undefined;
  const bytes = input.contents.get(base);
  if (bytes === undefined) return `there is no ${base} that it belongs to`;
  return isRemoval(base, bytes, file) ? `${base} removes what it belongs to` : undefined;
}

function isRemoval(path: string, bytes: Uint8Array, file: TaskFile): boolean {
  try {
    return (
      parseTaskFile(path, bytes, { ...file.location, defaultAction: 'publish', base: path }).action ===
      'remove'
    );
  } catch {
    return false;
  }
}

function judgeOne(file: TaskFile, merged: Spec, dueAt: Date | undefined, input: JudgeInput): Verdict {
  const { kind } = file.location;
  const definition = kind.actions[file.action];
  try {
    if (definition === undefined) throw invalid(`${file.path} has an unknown action`);
    const refused = refusedBy(file, merged, kind, input);
    if (refused !== undefined)
      return { type: 'excluded', file, identity: identityOf(kind, merged), why: refused };
    const spec = checkSpec(file.path, merged, definition);
    const identity = kind.identityOf(spec);
    if (file.action === 'empty_gwc' && !input.publications.some((p) => p.identity === identity))
      return { type: 'excluded', file, identity, why: 'the layer is not published here' };
    const job: Job = {
      path: file.path,
      channel: file.location.channel,
      kind: kind.name,
      action: file.action,
      identity,
      name: kind.nameOf(spec),
      key: dueAt === undefined ? file.contentHash : digest([file.contentHash, dueAt.toISOString()]),
      spec,
      tasks: definition.tasks,
    };
    return { type: 'job', file, job, merged, dueAt };
  } catch (error) {
    return { type: 'rejected', path: file.path, file, error: toAgentError(error) };
  }
}

function refusedBy(file: TaskFile, merged: Spec, kind: Kind, input: JudgeInput): string | undefined {
  const seen = filterView(file, merged);
  if (kind.filter === undefined || seen === undefined) return undefined;
  const filter = input.filters[kind.filter];
  try {
    return filter.accepts(seen) ? undefined : `not taken by ${filter.variable}`;
  } catch (error) {
    throw new AgentError('filter-failed', `${filter.variable} failed for ${file.path}: ${messageOf(error)}`, {
      retry: 'final',
      cause: error,
      hint: `Change ${filter.variable} in the environment; \`slave-sync filter test\` tries it.`,
    });
  }
}

/** The identity of something that is not taken, as far as its keys tell; only to find what was applied of it. */
function identityOf(kind: Kind, merged: Spec): string | undefined {
  return typeof merged['name'] === 'string' ? kind.identityOf(merged) : undefined;
}

function invalid(message: string): AgentError {
  return new AgentError('invalid-task-file', message, { retry: 'final' });
}
