import { isAbsolute, relative, resolve } from 'node:path';

/** A child's environment, as `run()` takes it: what is `undefined` is removed from what it would inherit. */
export type ChildEnvironment = Record<string, string | undefined>;

/**
 * The variables that bind a git process to one repository, as `git rev-parse --local-env-vars` lists them, without
 * GIT_CONFIG_PARAMETERS and GIT_CONFIG_COUNT: those carry `git -c` settings, which may be needed (safe.directory).
 */
const GIT_REPOSITORY_VARIABLES = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_CONFIG',
  'GIT_DIR',
  'GIT_GRAFT_FILE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_NAMESPACE',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_QUARANTINE_PATH',
  'GIT_REFLOG_ACTION',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
] as const;

/** Switches our part of an installed git hook off for the git commands that we run ourselves. */
export const HOOK_SWITCH = 'SLAVE_SYNC_HOOK';

/** The Mercurial to run: a hook must use the one that called it, which `$HG` names. */
export function mercurialBinary(env: NodeJS.ProcessEnv): string {
  const binary = env['HG'];
  return binary === undefined || binary === '' ? 'hg' : binary;
}

/**
 * The environment of a Mercurial child: output that no user setting changes, names and messages in UTF-8, and none of
 * the hook's variables but HG_PENDING. That one names the repository whose incoming changesets may be seen, and is
 * kept for exactly that one.
 */
export function mercurialEnvironment(env: NodeJS.ProcessEnv, root: string): ChildEnvironment {
  const child = environmentOfOtherRepositories(env);
  const pending = env['HG_PENDING'];
  if (pending !== undefined && resolve(pending) === resolve(root)) child['HG_PENDING'] = pending;
  return { ...child, HGPLAIN: '1', HGPLAINEXCEPT: undefined, HGENCODING: 'UTF-8' };
}

/**
 * The environment of a git child that works in the state repository: nothing of the calling git's own bindings but
 * the quarantine, in which a pushed-to repository keeps the objects that a `pre-receive` hook judges. They can be read
 * with these variables only, and are kept only for the repository they belong to.
 * @param gitDir the absolute path of the repository's git directory; without it no quarantine is kept
 */
export function gitEnvironment(env: NodeJS.ProcessEnv, gitDir?: string): ChildEnvironment {
  const child = environmentOfOtherRepositories(env);
  const quarantine = env['GIT_QUARANTINE_PATH'];
  const objects = env['GIT_OBJECT_DIRECTORY'];
  if (
    gitDir !== undefined &&
    quarantine !== undefined &&
    objects !== undefined &&
    isInside(gitDir, quarantine)
  ) {
    child['GIT_QUARANTINE_PATH'] = quarantine;
    child['GIT_OBJECT_DIRECTORY'] = resolve(objects);
    child['GIT_ALTERNATE_OBJECT_DIRECTORIES'] = env['GIT_ALTERNATE_OBJECT_DIRECTORIES'];
  }
  return { ...child, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0' };
}

/**
 * What a hook's child must not inherit when it works in some other repository, or in none: `GIT_DIR=.` breaks every
 * git command elsewhere, and HG_PENDING shows changesets that are not accepted yet.
 */
export function environmentOfOtherRepositories(env: NodeJS.ProcessEnv): ChildEnvironment {
  const child: ChildEnvironment = { ...env };
  for (const name of GIT_REPOSITORY_VARIABLES) if (env[name] !== undefined) child[name] = undefined;
  for (const name of Object.keys(env)) if (name.startsWith('HG_')) child[name] = undefined;
  return child;
}

function isInside(folder: string, path: string): boolean {
  const way = relative(resolve(folder), resolve(path));
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}
