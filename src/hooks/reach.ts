import type { RepositoryLocation } from './repository.js';
import { run } from '../lib/process.js';
import { gitEnvironment, mercurialBinary, mercurialEnvironment } from './environment.js';
import { findFollowedBranch } from './git/followed.js';
import { shellLine } from './shell.js';

export interface ReachOptions {
  readonly branch?: string | undefined;
  /** The ssh command as words. */
  readonly ssh: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/**
 * Asks the repository that this one pulls from for the newest revision of a branch, without pulling; undefined when it
 * pulls from nowhere, since it is pushed to. Throws AgentError, a CommandFailed with the program's words as a rule.
 */
export async function askUpstream(
  { vcs, root }: RepositoryLocation,
  { branch, ssh, env, signal }: ReachOptions,
): Promise<string | undefined> {
  if (vcs === 'hg') {
    const args = ['identify', '--id', '--rev', branch ?? 'default', '-e', shellLine(ssh), 'default'];
    const options = { cwd: root, env: mercurialEnvironment(env, root), signal };
    const { stdout } = await run(mercurialBinary(env), [...args, '--config', 'ui.interactive=no'], options);
    return stdout.toString('utf8').trim();
  }
  const followed = await findFollowedBranch(root, { branch, env, signal });
  if (followed.remote === undefined) return undefined;
  const { stdout } = await run(
    'git',
    ['ls-remote', '--exit-code', followed.remote, `refs/heads/${followed.branch}`],
    { cwd: root, env: { ...gitEnvironment(env), GIT_SSH_COMMAND: shellLine(ssh) }, signal },
  );
  return stdout.toString('utf8').split('\t')[0];
}
