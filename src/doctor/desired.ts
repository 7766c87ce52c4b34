import { join } from 'node:path';
import type { Config } from '../config.js';
import type { ManifestEntry, StateRepository } from '../hooks/repository.js';
import type { TaskFile } from '../jobs/parse.js';
import { AgentError } from '../lib/errors.js';
import { hydrate, type HydratedFile, type MetaSource, type Rejection } from '../tasks/hydrate.js';
import { readTaskFiles } from '../tasks/read-task-files.js';
import { md5File } from '../transfer/md5.js';

/** What the state repository asks of this slave, as far as that can be said without fetching anything. */
export interface Desired {
  readonly revision: string;
  readonly branch: string;
  /** Of all channels. */
  readonly entries: number;
  readonly files: readonly TaskFile[];
  /** Merged with their meta files, where they have one and it is in the cache. */
  readonly ready: readonly HydratedFile[];
  /** Those whose meta file was never fetched: what they ask for is not known yet. */
  readonly unknown: readonly string[];
  /** Those that cannot be understood. */
  readonly rejected: readonly Rejection[];
}

export interface DesiredInput {
  readonly config: Config;
  /** Looks at the revision's files before anything acts on them; throws to refuse them. */
  readonly accept: (entries: readonly ManifestEntry[]) => void;
  readonly signal: AbortSignal;
}

/** Reads the target revision; throws AgentError when the repository cannot be followed. */
export async function readDesired(repository: StateRepository, input: DesiredInput): Promise<Desired> {
  const { config, signal } = input;
  const revision = await repository.target();
  const { entries } = await repository.manifest(revision);
  input.accept(entries);
  const read = await readTaskFiles({
    entries,
    read: (paths) => repository.read(revision, paths),
    channels: config.channels,
    include: config.include,
  });
  const { ready, rejected } = await hydrate(read.files, read.overlays, cached(config.cachePath), signal);
  return {
    revision,
    branch: repository.branch,
    entries: entries.length,
    files: read.files,
    ready,
    unknown: rejected.filter((one) => one.error instanceof NotCached).map((one) => one.path),
    rejected: [...read.rejected, ...rejected.filter((one) => !(one.error instanceof NotCached))],
  };
}

class NotCached extends AgentError {
  constructor(cause: unknown) {
    super('missing-at-source', 'the meta file is not in the cache yet', { retry: 'remote', cause });
  }
}

/** Only what is in the cache and right: the doctor fetches and writes nothing. */
function cached(folder: string): MetaSource {
  return {
    fetch: async ({ cacheName, md5 }) => {
      const path = join(folder, cacheName);
      const found = await md5File(path).catch((error: unknown) => {
        throw new NotCached(error);
      });
      if (found.md5 !== md5?.toLowerCase()) throw new NotCached(undefined);
      return { path, ...found, transferred: false };
    },
    release: () => undefined,
  };
}
