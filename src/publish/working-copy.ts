import { findRepository } from '../hooks/repository.js';
import { AgentError } from '../lib/errors.js';
import { CommandFailed } from '../lib/process.js';
import { GitWorkingCopy } from './git.js';
import { HgWorkingCopy } from './hg.js';
import { refused, type PublishDeps, type CommitOptions } from './options.js';

/** The master's working copy of the state repository. Paths are relative to its root. */
export interface WorkingCopy {
  readonly root: string;
  /** Makes sure that a commit continues the branch; AgentError 'conflict' when it cannot. */
  prepare(): Promise<void>;
  /** Commits these files as they are on disk (missing ones as deleted) and nothing else; returns the commit's id. */
  commit(paths: readonly string[], message: string): Promise<string>;
  /** Makes the VCS forget what it had noted of these files for a commit that failed. */
  forget(paths: readonly string[]): Promise<void>;
  /** Pushes; the error is a PushRejected when others have pushed meanwhile. */
  push(): Promise<void>;
  /** Puts our commits on top of what others have pushed. */
  rebase(): Promise<void>;
}

/** Someone else was faster. */
export class PushRejected extends AgentError {
  constructor(cause: CommandFailed) {
    super('conflict', `the push was rejected: ${cause.message}`, {
      retry: 'transient',
      cause,
      hint: 'The commit is in this clone: bring it up to date and push.',
    });
  }
}

const MAX_PUSHES = 8;

export async function openWorkingCopy(
  options: CommitOptions,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<WorkingCopy> {
  const location = await findRepository(options.repository);
  if (!location)
    throw refused(
      `${options.repository} is not inside a Mercurial or git repository`,
      'Run this in the master’s working copy of the state repository.',
    );
  const context = { root: location.root, env: options.env, ssh: options.ssh, clock: deps.clock, signal };
  return location.vcs === 'hg' ? new HgWorkingCopy(context) : new GitWorkingCopy(context);
}

/** Pushes, on top of what others push at the same time. */
export async function pushAll(copy: WorkingCopy, deps: PublishDeps, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await copy.push();
      return;
    } catch (error) {
      if (!(error instanceof PushRejected) || attempt === MAX_PUSHES) throw error;
      deps.log.info('others have pushed, trying again', { attempt });
      await deps.clock.sleep(Math.random() * 200 * attempt, signal);
      await copy.rebase();
    }
  }
}
