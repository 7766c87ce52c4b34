import { loadKinds } from '../jobs/load-kinds.js';
import { isListened, locate } from '../jobs/locate.js';
import { parseTaskFile, type TaskFile } from '../jobs/parse.js';
import { toAgentError } from '../lib/errors.js';
import type { DesiredFile } from './compare.js';
import type { Rejection } from './hydrate.js';
import { parseOverlays, pathsToRead } from './judge.js';

export interface ReadInput {
  /** All files of a revision. */
  readonly entries: readonly DesiredFile[];
  /** Their bytes, by path; one that cannot be read is missing. */
  readonly read: (paths: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>;
  readonly channels: readonly string[];
  /** Only these, where set. */
  readonly include: readonly string[] | undefined;
}

export interface ReadTaskFiles {
  readonly files: readonly TaskFile[];
  /** Files whose metadata win over those of the task file they belong to. */
  readonly overlays: ReadonlyMap<string, TaskFile>;
  /** Those that cannot be understood. */
  readonly rejected: readonly Rejection[];
}

/** The task files of the listened channels as they stand in a revision, whatever was applied of them. */
export async function readTaskFiles(input: ReadInput): Promise<ReadTaskFiles> {
  const { entries, channels, include } = input;
  const kinds = await loadKinds();
  const candidates = entries.flatMap((entry) => {
    const location = isListened(entry.path, channels) ? locate(entry.path, kinds) : undefined;
    const isMeant = entry.type === 'file' && (include === undefined || include.includes(entry.path));
    return location !== undefined && isMeant ? [{ ...entry, location }] : [];
  });
  const present = new Set(entries.map((entry) => entry.path));
  const contents = await input.read(pathsToRead(candidates, present));
  const files: TaskFile[] = [];
  const rejected: Rejection[] = [];
  for (const { path, location } of candidates) {
    const bytes = contents.get(path);
    if (bytes === undefined) continue;
    try {
      files.push(parseTaskFile(path, bytes, location));
    } catch (error) {
      rejected.push({ path, error: toAgentError(error) });
    }
  }
  const overlays = new Map(parseOverlays(candidates, contents).map((file) => [file.path, file]));
  return { files, overlays, rejected };
}
