import { AgentError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { CommandFailed, run, tail } from '../../lib/process.js';
import { mercurialBinary, mercurialEnvironment } from '../environment.js';
import { isOurHook } from '../ours.js';
import { RepositoryStuck } from '../pull.js';
import { PULL_GRACE_MS, PULL_TIMEOUT_MS, type PullOptions } from '../repository.js';
import { explainUnwritable } from '../unwritable.js';

/** Someone else's pull may hold the lock for as long as its hook works: the next poll is soon enough. */
const LOCK_TIMEOUT_SECONDS = 10;

/** Exit codes of `ui.detailed-exit-code`, see `hg help scripting`. */
const EXIT = { input: 10, lock: 20, hook: 40, remote: 100 } as const;

/** Without the remote's `Permission denied (publickey)`, which has to do with the connection. */
const DENIED =
  /^abort: (?:could not lock .*: (?:Permission denied|Read-only file system)|(?:Permission denied|Read-only file system): )/m;

/** The keys of our hooks, from `hg config hooks -T '{name}\0{value}\0'`. */
export function hooksToSwitchOff(listing: string): string[] {
  const parts = listing.split('\0');
  return parts.filter((name, i) => {
    if (i % 2 === 1 || name === '') return false;
    return isOurHook(name.replace(/^hooks\./, ''), parts[i + 1] ?? '');
  });
}

/** `hg pull` of one branch, with these hooks (`hooks.pretxnchangegroup.slave-sync`) off. */
export async function fetchMercurial(
  repository: { readonly root: string; readonly branch: string },
  hooksOff: readonly string[],
  env: NodeJS.ProcessEnv,
  log: Logger,
  options: PullOptions,
): Promise<void> {
  const settings = [
    'ui.detailed-exit-code=yes',
    'ui.interactive=no',
    `ui.timeout=${LOCK_TIMEOUT_SECONDS}`,
    ...hooksOff.map((name) => `${name}=`),
  ];
  const args = [
    'pull',
    '-b',
    repository.branch,
    ...(options.ssh === undefined ? [] : ['-e', options.ssh]),
    ...settings.flatMap((setting) => ['--config', setting]),
  ];
  try {
    await run(mercurialBinary(env), args, {
      cwd: repository.root,
      env: { ...mercurialEnvironment(env, repository.root), HG_PENDING: undefined },
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? PULL_TIMEOUT_MS,
      graceMs: options.graceMs ?? PULL_GRACE_MS,
      onKill: () => log.warn('hg pull did not end when asked to and was killed'),
    });
  } catch (error) {
    throw error instanceof CommandFailed ? explain(error, repository.branch) : error;
  }
}

function explain(error: CommandFailed, branch: string): AgentError {
  const { exitCode, stderr } = error;
  const message = `hg pull: ${tail(stderr)}`;
  // First: what else stands there, the hook may have written.
  if (exitCode === EXIT.hook)
    return new AgentError('command-failed', `a hook refused the pull: ${tail(stderr)}`, {
      retry: 'transient',
      cause: error,
    });
  const unwritable = explainUnwritable(error, message, DENIED);
  if (unwritable !== undefined) return unwritable;
  if (stderr.includes('abandoned transaction found') || exitCode === EXIT.lock)
    return new RepositoryStuck(message, error);
  if (exitCode === EXIT.input && stderr.includes('unknown branch'))
    return new AgentError('invalid-config', `the repository that is pulled from has no branch ${branch}`, {
      retry: 'remote',
      hint: 'Set STATE_BRANCH to the branch that the master commits to.',
      cause: error,
    });
  if (/^abort: (repository .* not found|default repository not configured)/m.test(stderr))
    return new AgentError('invalid-config', message, {
      retry: 'remote',
      hint: 'Check [paths] default in .hg/hgrc.',
      cause: error,
    });
  if (exitCode === EXIT.remote || /^(remote: )?(ssh|abort: no suitable response|Host key)/m.test(stderr))
    return new AgentError('connection', message, { retry: 'transient', cause: error });
  return error;
}
