import type { DataFolder } from './data-folder.js';
import type { Published, PublishDeps, CommitOptions } from './options.js';
import { commitChange, type Change } from './task-file.js';
import { pushAll, type WorkingCopy } from './working-copy.js';

/** What was made ready: the change of the repository, and what to tell the user. */
export interface Prepared extends Omit<Change, 'removes'> {
  readonly removes?: readonly string[];
  readonly notes?: readonly string[];
}

/**
 * Makes the data ready, commits what names them, and pushes if asked to. What was written is discarded when it was not
 * committed; a commit that could not be pushed stays, and so do its data.
 */
export async function publish(
  copy: WorkingCopy,
  options: CommitOptions,
  deps: PublishDeps,
  signal: AbortSignal,
  folder: DataFolder | undefined,
  prepare: () => Prepared | Promise<Prepared>,
): Promise<Published> {
  let prepared: Prepared;
  let revision: string;
  try {
    prepared = await prepare();
    revision = await commitChange(copy, { removes: [], ...prepared }, options.message);
  } catch (error) {
    await folder?.discard();
    throw error;
  }
  if (options.push) await pushAll(copy, deps, signal);
  return { taskFile: prepared.path, revision, notes: prepared.notes ?? [] };
}
