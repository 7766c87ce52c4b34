import { AgentError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { CommandFailed, run, tail, type RunOptions } from '../../lib/process.js';
import { gitEnvironment, HOOK_SWITCH } from '../environment.js';
import { RepositoryStuck } from '../pull.js';
import { PULL_GRACE_MS, PULL_TIMEOUT_MS, type PullOptions } from '../repository.js';
import { explainUnwritable } from '../unwritable.js';
import type { FollowedBranch } from './followed.js';

/** Without ssh's `Permission denied (publickey)`, which has to do with the connection. */
const DENIED =
  /^(?:error|fatal): (?:(?:cannot open|cannot lock ref|cannot update the ref|Unable to create) '.*: (?:Permission denied|Read-only file system)|insufficient permission for adding an object)/m;

/** Somebody else's lock, or somebody else who was faster. */
const IN_USE = /\.lock': File exists|is at [0-9a-f]+ but expected [0-9a-f]+/;

/**
 * `git fetch` of the followed branch alone, our part of the installed hook switched off. A repository without a remote
 * is pushed to: there is nothing to fetch.
 */
export async function fetchGit(
  followed: FollowedBranch,
  env: NodeJS.ProcessEnv,
  log: Logger,
  options: PullOptions,
): Promise<void> {
  if (followed.remote === undefined) return;
  const settings: RunOptions = {
    cwd: followed.root,
    env: {
      ...gitEnvironment(env),
      ...(options.ssh === undefined ? {} : { GIT_SSH_COMMAND: options.ssh }),
      [HOOK_SWITCH]: 'off',
    },
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? PULL_TIMEOUT_MS,
    graceMs: options.graceMs ?? PULL_GRACE_MS,
    onKill: () => log.warn('git fetch did not end when asked to and was killed'),
  };
  const args = [
    // git cleans up after itself now and then; in the foreground, so that nothing of it is left running.
    ...['-c', 'gc.autoDetach=false', '-c', 'maintenance.autoDetach=false'],
    'fetch',
    '--atomic',
    '--quiet',
    '--no-tags',
    '--no-recurse-submodules',
    // Without it git would update the ref a second time, by the remote's own refspec.
    '--refmap=',
    followed.remote,
    `+refs/heads/${followed.branch}:${followed.ref}`,
  ];
  try {
    await run('git', args, settings);
  } catch (error) {
    throw error instanceof CommandFailed ? explain(error, followed.branch) : error;
  }
}

function explain(error: CommandFailed, branch: string): AgentError {
  const { stderr } = error;
  const message = `git fetch: ${tail(stderr)}`;
  // First: what else stands there, the hook may have written.
  if (stderr.includes('ref updates aborted by hook'))
    return new AgentError('command-failed', `a hook refused the pull: ${tail(stderr)}`, {
      retry: 'transient',
      cause: error,
    });
  const unwritable = explainUnwritable(error, message, DENIED);
  if (unwritable !== undefined) return unwritable;
  if (IN_USE.test(stderr)) return new RepositoryStuck(message, error);
  if (stderr.includes("couldn't find remote ref"))
    return new AgentError('invalid-config', `the repository that is fetched from has no branch ${branch}`, {
      retry: 'remote',
      hint: 'Set STATE_BRANCH to the branch that the master commits to.',
      cause: error,
    });
  if (/does not appear to be a git repository|repository '.*' (not found|does not exist)/i.test(stderr))
    return new AgentError('invalid-config', message, {
      retry: 'remote',
      hint: 'Check the address of the remote: git remote -v',
      cause: error,
    });
  if (/Could not read from remote repository|unable to access|Could not resolve host/.test(stderr))
    return new AgentError('connection', message, { retry: 'transient', cause: error });
  return error;
}
