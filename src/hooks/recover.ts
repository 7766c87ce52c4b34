import type { Logger } from '../lib/log.js';
import type { RepositoryLocation } from './repository.js';

export interface RecoverOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Clears away what a killed hg or git left behind: an abandoned transaction, locks of processes that are gone, an
 * interrupted update. Answers what was done, one sentence each; nothing is touched while somebody works in the
 * repository. Only for the holder of the agent's own lock, since a hook that outlived its hg may still be reading.
 * Throws AgentError 'command-failed' when the VCS cannot repair it.
 */
export async function recover(repository: RepositoryLocation, options: RecoverOptions): Promise<string[]> {
  if (repository.vcs === 'hg') {
    const { recoverMercurial } = await import('./mercurial/recover.js');
    return recoverMercurial(repository.root, options);
  }
  const { recoverGit } = await import('./git/recover.js');
  return recoverGit(repository.root, options);
}
