import { readFile } from 'node:fs/promises';
import { overlayPath } from '../jobs/locate.js';
import { parseMetaFile, type TaskFile } from '../jobs/parse.js';
import type { FileReference } from '../jobs/job.js';
import type { Spec } from '../jobs/kind.js';
import { toAgentError, type AgentError } from '../lib/errors.js';
import type { Transfer } from '../transfer/transfer.js';

/** A task file with its meta file merged into it, as filters and schemas see it. */
export interface HydratedFile {
  readonly file: TaskFile;
  readonly merged: Spec;
}

/** Where meta files come from. */
export type MetaSource = Pick<Transfer, 'fetch' | 'release'>;

export interface Rejection {
  readonly path: string;
  readonly error: AgentError;
}

/**
 * Fetches the meta files that task files refer to (they come from the cache, or all of one host in one transfer) and
 * merges each into its task file: the meta file's keys win. Where an overlay exists, its meta file counts instead of
 * the task file's own metadata. One missing or wrong meta file rejects its own job only.
 */
export async function hydrate(
  files: readonly TaskFile[],
  overlays: ReadonlyMap<string, TaskFile>,
  transfer: MetaSource,
  signal: AbortSignal,
): Promise<{ ready: HydratedFile[]; rejected: Rejection[] }> {
  const ready: HydratedFile[] = [];
  const rejected: Rejection[] = [];
  await Promise.all(
    files.map(async (file) => {
      try {
        ready.push({ file, merged: await merge(file, overlays, transfer, signal) });
      } catch (error) {
        rejected.push({ path: file.path, error: toAgentError(error) });
      }
    }),
  );
  const position = new Map(files.map((file, index) => [file.path, index]));
  ready.sort((a, b) => (position.get(a.file.path) ?? 0) - (position.get(b.file.path) ?? 0));
  return { ready, rejected };
}

async function merge(
  file: TaskFile,
  overlays: ReadonlyMap<string, TaskFile>,
  transfer: MetaSource,
  signal: AbortSignal,
): Promise<Spec> {
  const { overlay } = file.location.kind;
  const overlayOf = overlayPath(file.path, file.location.kind);
  const winner = overlayOf === undefined || file.action !== 'publish' ? undefined : overlays.get(overlayOf);
  if (overlay && winner?.meta) {
    const meta = await fetchMeta(winner.path, winner.meta, transfer, signal);
    const own = Object.fromEntries(
      Object.entries(file.content).filter(([key]) => overlay.keep.includes(key)),
    );
    return { ...meta, ...own };
  }
  if (file.meta === undefined || file.action === 'remove') return file.content;
  return {
    ...file.content,
    ...(await fetchMeta(file.path, file.meta, transfer, signal)),
    action: file.action,
  };
}

async function fetchMeta(
  path: string,
  reference: FileReference,
  transfer: MetaSource,
  signal: AbortSignal,
): Promise<Spec> {
  const fetched = await transfer.fetch(
    {
      source: reference.file,
      md5: reference.md5,
      cacheName: `meta/${reference.md5}.json`,
      peerNames: [`meta/${reference.md5}.json`],
      fallbackToSource: true,
      size: 'small',
    },
    signal,
  );
  const bytes = await readFile(fetched.path);
  transfer.release(fetched);
  return parseMetaFile(path, bytes);
}
