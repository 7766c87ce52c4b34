import { AgentError } from '../../lib/errors.js';
import { CommandFailed, run } from '../../lib/process.js';
import { gitEnvironment } from '../environment.js';

/** What git says about the repository and the branch that this slave follows in it. */
export interface FollowedBranch {
  readonly root: string;
  readonly gitDir: string;
  /** Where refs and objects are; differs from `gitDir` in a linked worktree. */
  readonly commonDir: string;
  readonly bare: boolean;
  readonly shallow: boolean;
  /** `undefined`: this repository is pushed to and fetches from nowhere. */
  readonly remote: string | undefined;
  readonly branch: string;
  /** The full name of the ref that holds the branch's newest commit: `refs/remotes/origin/main`, or `refs/heads/main`. */
  readonly ref: string;
}

export interface FollowedOptions {
  readonly branch?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds out which ref to follow: where the remote's fetch refspec puts the branch, so that mirrors and unusual layouts
 * need no setting. Throws AgentError 'invalid-config' with the remedy when git refuses the repository or the choice is
 * not clear.
 */
export async function findFollowedBranch(root: string, options: FollowedOptions): Promise<FollowedBranch> {
  const git = async (...args: string[]): Promise<string> => {
    const result = await run('git', args, {
      cwd: root,
      env: gitEnvironment(options.env),
      okCodes: [0, 1],
      signal: options.signal,
      timeoutMs: 60_000,
    });
    return result.stdout.toString('utf8').trimEnd();
  };
  const facts = await git(
    'rev-parse',
    '--path-format=absolute',
    '--git-dir',
    '--git-common-dir',
    '--is-bare-repository',
    '--is-shallow-repository',
  ).catch((error: unknown) => {
    throw refusal(error, root);
  });
  const [gitDir = '', commonDir = '', bare, shallow] = facts.split('\n');
  const refspecs = fetchRefspecs(await git('config', '--get-regexp', String.raw`^remote\..*\.(url|fetch)$`));
  const remote = pickRemote([...refspecs.keys()]);
  const branch =
    options.branch ??
    (remote === undefined
      ? undefined
      : withoutPrefix(
          await git('symbolic-ref', '-q', `refs/remotes/${remote}/HEAD`),
          `refs/remotes/${remote}/`,
        )) ??
    withoutPrefix(await git('symbolic-ref', '-q', 'HEAD'), 'refs/heads/');
  if (branch === undefined)
    throw new AgentError('invalid-config', `${root}: the branch to follow can't be told`, {
      retry: 'final',
      hint: 'Set STATE_BRANCH to the branch that the master commits to.',
    });
  const source = `refs/heads/${branch}`;
  const ref = (remote === undefined ? undefined : mapRef(refspecs.get(remote) ?? [], source)) ?? source;
  return { root, gitDir, commonDir, bare: bare === 'true', shallow: shallow === 'true', remote, branch, ref };
}

function refusal(error: unknown, root: string): unknown {
  if (!(error instanceof CommandFailed) || !error.stderr.includes('dubious ownership')) return error;
  return new AgentError('invalid-config', `git refuses ${root}: it belongs to another user`, {
    retry: 'final',
    hint: `Run: git config --global --add safe.directory ${root}`,
    cause: error,
  });
}

/** The fetch refspecs by remote, from `git config --get-regexp`; a remote without any has an empty list. */
function fetchRefspecs(config: string): Map<string, string[]> {
  const remotes = new Map<string, string[]>();
  for (const line of config.split('\n')) {
    const [, name, key, value] = /^remote\.(.*)\.(url|fetch) (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const refspecs = remotes.get(name) ?? [];
    if (key === 'fetch') refspecs.push(value);
    remotes.set(name, refspecs);
  }
  return remotes;
}

function pickRemote(names: readonly string[]): string | undefined {
  if (names.includes('origin')) return 'origin';
  if (names.length > 1)
    throw new AgentError('invalid-config', `several remotes and none is origin: ${names.join(', ')}`, {
      retry: 'final',
      hint: 'Name the one to follow origin: git remote rename <name> origin',
    });
  return names[0];
}

/** Where refspecs put a ref of the remote; `undefined` when they leave it out. */
function mapRef(refspecs: readonly string[], ref: string): string | undefined {
  for (const refspec of refspecs) {
    const [source = '', target = ''] = refspec.replace(/^\+/, '').split(':');
    if (target === '' || source.startsWith('^')) continue;
    if (source === ref) return target;
    const [before = '', after] = source.split('*');
    if (after === undefined || !ref.startsWith(before) || !ref.endsWith(after)) continue;
    return target.replace('*', () => ref.slice(before.length, ref.length - after.length));
  }
  return undefined;
}

function withoutPrefix(ref: string, prefix: string): string | undefined {
  return ref.startsWith(prefix) ? ref.slice(prefix.length) : undefined;
}
