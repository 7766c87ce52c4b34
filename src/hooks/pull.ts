import { AgentError } from '../lib/errors.js';
import type { PullOptions, StateRepository } from './repository.js';

export interface PullResult {
  readonly outcome: 'changed' | 'unchanged';
  /** The revision to follow from now on. */
  readonly revision: string;
}

/**
 * Something that an earlier process left behind, or that another one holds, keeps the repository from being pulled:
 * an abandoned transaction, a lock. `recover()` tells the two apart.
 */
export class RepositoryStuck extends AgentError {
  constructor(message: string, cause: unknown) {
    super('locked', message, { retry: 'transient', cause });
  }
}

/**
 * Pulls as the daemon does: our own hooks are off, so that no transaction and no lock of the VCS is held while data
 * moves; the hooks of others run. A pull that is timed out or cancelled gets TERM, which both programs answer with a
 * rollback, and KILL only after the grace period.
 *
 * Throws AgentError: RepositoryStuck; 'connection'; 'invalid-config' (no such branch or repository at the other end);
 * 'command-failed' (a hook of others refused, this user may not write to the repository, and what is not understood);
 * 'timed-out'; 'cancelled'; 'disk-full'; and what `target()` throws.
 */
export async function pull(repository: StateRepository, options: PullOptions = {}): Promise<PullResult> {
  // No target yet: a clone of a repository that was empty.
  const before = await repository.target().catch(() => undefined);
  await repository.fetch(options);
  const revision = await repository.target();
  return { outcome: revision === before ? 'unchanged' : 'changed', revision };
}
