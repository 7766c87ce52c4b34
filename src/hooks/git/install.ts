import { lstat, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError, isErrno } from '../../lib/errors.js';
import { run } from '../../lib/process.js';
import { gitEnvironment, HOOK_SWITCH } from '../environment.js';
import type { HookCommand, InstallChange, InstallOptions, InstallPlan } from '../install.js';
import { shellLine, shellWord } from '../shell.js';
import { findFollowedBranch, type FollowedBranch } from './followed.js';

/** In every script of ours: by it `init` knows what it may overwrite. */
const MARK = '# Written by "slave-sync init".';
/** Where somebody else's hook goes, to be called first. */
const CHAINED = '.before-slave-sync';

/**
 * What `slave-sync init` has to change among git's hooks. A repository that fetches can refuse in `reference-transaction`
 * only; one that is pushed to refuses in `pre-receive`, since a refused transaction there would break the connection.
 */
export async function planGit(options: InstallOptions, hook: HookCommand): Promise<InstallPlan> {
  const followed = await findFollowedBranch(options.repository.root, options);
  const folder = await hooksFolder(followed, options);
  const scripts: Record<string, string> =
    followed.remote === undefined
      ? { 'pre-receive': preReceive(hook) }
      : { 'reference-transaction': referenceTransaction(hook, followed) };
  if (!followed.bare) scripts['pre-commit'] = preCommit(hook);
  const changes: InstallChange[] = [];
  for (const [name, script] of Object.entries(scripts))
    changes.push(...(await planScript(join(folder, name), Buffer.from(script, 'utf8'))));
  return { changes, warnings: [] };
}

/**
 * The hook of a repository that fetches. Git calls it for every transaction, three times each, so that the shell sends
 * away what does not concern us: a Node process takes longer to start than all the rest.
 */
function referenceTransaction(hook: HookCommand, followed: FollowedBranch): string {
  const { ref, branch } = followed;
  const prefix = ref.endsWith(branch) ? ref.slice(0, ref.length - branch.length) : ref;
  return `${opening()}
[ "$1" = prepared ] || exit 0
[ "$${HOOK_SWITCH}" = off ] && exit 0
case $updates in *${shellWord(` ${prefix}`)}*) ;; *) exit 0 ;; esac
${handOver(hook, '"$1"')}`;
}

/** The hook of a repository that is pushed to. */
function preReceive(hook: HookCommand): string {
  return `${opening()}\n${handOver(hook, 'pre-receive')}`;
}

/** A slave's clone takes commits from the master only. */
function preCommit(hook: HookCommand): string {
  return `#!/bin/sh\n${MARK}\nexec ${shellLine([...hook.command, 'hook', 'deny'])}\n`;
}

/** Reads what git says once, and lets the hook that was here before speak first. */
function opening(): string {
  return `#!/bin/sh
${MARK} The hook that was here before is called first: see ${CHAINED}
updates=$(cat)
before="$0${CHAINED}"
if [ -x "$before" ]; then printf '%s\\n' "$updates" | "$before" "$@" || exit $?; fi`;
}

/** git is the parent of this process, and setpriv makes it end with git, also when git is killed. */
function handOver({ command, setpriv }: HookCommand, phase: string): string {
  const words = [
    ...(setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'TERM']),
    ...command,
    'hook',
    'git',
  ];
  return `exec ${shellLine(words)} ${phase} <<END_OF_UPDATES
$updates
END_OF_UPDATES
`;
}

async function planScript(file: string, after: Buffer): Promise<InstallChange[]> {
  const before = await readFile(file).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  const write = (what: string): InstallChange => ({
    type: 'write',
    file,
    before,
    after,
    executable: true,
    what: [what],
  });
  if (before === undefined) return [write('add the hook')];
  if (before.equals(after)) {
    const executable = ((await stat(file)).mode & 0o111) !== 0;
    return executable ? [] : [write('make the hook executable')];
  }
  if (before.includes(MARK)) return [write('renew the hook')];
  const to = `${file}${CHAINED}`;
  if (await exists(to))
    throw new AgentError('conflict', `${file} is somebody else's hook, and ${to} exists already`, {
      retry: 'final',
      hint: 'Join the two into the second, and remove the first.',
    });
  return [
    { type: 'move', file, to, what: ["keep the present hook, to be called before slave-sync's"] },
    { type: 'write', file, before: undefined, after, executable: true, what: ['add the hook'] },
  ];
}

/** The repository's hooks folder; one that is shared with other repositories is not touched. */
async function hooksFolder(followed: FollowedBranch, options: InstallOptions): Promise<string> {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('git', args, {
      cwd: followed.root,
      env: gitEnvironment(options.env),
      okCodes: [0, 1],
      signal: options.signal,
      timeoutMs: 60_000,
    });
    return stdout.toString('utf8').trimEnd();
  };
  const [scope, path] = (await git('config', '--show-scope', '--get', 'core.hooksPath')).split('\t');
  if (scope === 'global' || scope === 'system')
    throw new AgentError(
      'conflict',
      `core.hooksPath is ${path ?? ''} for all repositories (${scope} settings)`,
      {
        retry: 'final',
        hint: `Give this one its own: git -C ${shellWord(followed.root)} config core.hooksPath ${shellWord(join(followed.commonDir, 'hooks'))}`,
      },
    );
  return git('rev-parse', '--path-format=absolute', '--git-path', 'hooks');
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
