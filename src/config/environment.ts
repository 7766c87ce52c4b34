import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { isErrno, messageOf } from '../lib/errors.js';
import { parseEnvFile, type EnvFile } from './honcho.js';
import type { ConfigProblem, Source } from './reader.js';
import { readSecretFiles } from './secret-files.js';
import { isVariable } from './variables.js';

type Variables = Readonly<Record<string, string | undefined>>;

export interface EnvironmentOptions {
  /** The process environment. */
  readonly env: Variables;
  /** The file named on the command line; it must exist. */
  readonly envFile?: string | undefined;
  /** The repository one stands in. */
  readonly repositoryRoot?: string | undefined;
  readonly cwd: string;
  /** Whether the state repository tracks a file of its working copy. Asked only about files inside the repository. */
  readonly isTracked: (path: string, repositoryRoot: string) => Promise<boolean>;
}

/** What `loadConfig` needs: `loadConfig(environment.env, { ...environment, machine })`. */
export interface Environment {
  readonly env: Variables;
  readonly sources: Readonly<Record<string, Source>>;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly string[];
  /** The file that was read. */
  readonly envFile?: string;
  /**
   * What the file sets besides the program's own variables (PATH, PGSSLMODE, SSH_AUTH_SOCK ...) and the process does not.
   * honcho handed it to all programs: it belongs into the environment of children.
   */
  readonly forChildren: Readonly<Record<string, string>>;
  readonly repositoryRoot?: string | undefined;
}

/**
 * Puts the process environment and the environment file together; the process wins. The file is `--env-file`, else
 * `code/.env` in the state repository, else `.env` in the working directory. A file that the state repository tracks is
 * refused: whoever can push to it could set any command. Secrets may also come from `NAME_FILE` and from systemd credentials.
 */
export async function readEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const { cwd } = options;
  // An empty value in the process does not hide one in the file.
  const env = dropEmpty(options.env);
  const ownRoot = env['STATE_REPOSITORY_ROOT'] ?? options.repositoryRoot;
  const found = await findFile(options, ownRoot);
  const problems = [...found.problems];
  const warnings: string[] = [];
  let fromFile: Readonly<Record<string, string>> = {};
  if (found.path !== undefined && found.file !== undefined) {
    const { path, file } = found;
    const assigned = Object.fromEntries(file.assignments.map(({ name, value }) => [name, value]));
    const root = ownRoot ?? assigned['STATE_REPOSITORY_ROOT'];
    if (root !== undefined && (await isTrackedAnyhow(path, root, options)))
      problems.push({
        variable: path,
        reason:
          'is tracked by the state repository: whoever can push there could set any command. Move it elsewhere',
      });
    else fromFile = assigned;
    problems.push(...file.errors.map(({ line, reason }) => ({ variable: `${path} line ${line}`, reason })));
    warnings.push(...file.warnings.map((warning) => `${path} ${warning}`), ...(await checkMode(path)));
  }
  const merged: Record<string, string> = { ...fromFile, ...env };
  const sources: Record<string, Source> = {};
  for (const name of Object.keys(merged)) sources[name] = Object.hasOwn(env, name) ? 'environment' : 'file';
  const secrets = await readSecretFiles(merged, sources, cwd);
  const others = Object.entries(fromFile).filter(([name]) => !isOurs(name) && env[name] === undefined);
  return {
    env: { ...merged, ...secrets.values },
    sources: { ...sources, ...secrets.sources },
    problems: [...problems, ...secrets.problems],
    warnings,
    ...(found.path === undefined ? {} : { envFile: found.path }),
    forChildren: Object.fromEntries(others),
    repositoryRoot: options.repositoryRoot,
  };
}

interface FoundFile {
  readonly path?: string;
  readonly file?: EnvFile;
  readonly problems: readonly ConfigProblem[];
}

async function findFile(options: EnvironmentOptions, root: string | undefined): Promise<FoundFile> {
  const named = options.envFile === undefined ? undefined : resolve(options.cwd, options.envFile);
  const candidates =
    named === undefined
      ? [...(root === undefined ? [] : [join(root, 'code', '.env')]), join(options.cwd, '.env')]
      : [named];
  for (const path of candidates) {
    try {
      return { path, file: parseEnvFile(await readFile(path, 'utf8')), problems: [] };
    } catch (error) {
      const isMissing = isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR');
      if (!isMissing || named !== undefined)
        return { problems: [{ variable: path, reason: `cannot be read: ${messageOf(error)}` }] };
    }
  }
  return { problems: [] };
}

/** Both the file's name and what it links to count. */
async function isTrackedAnyhow(path: string, root: string, options: EnvironmentOptions): Promise<boolean> {
  const names = new Set([path, await realpath(path)]);
  const roots = new Set([root, await realpath(root).catch(() => root)]);
  for (const name of names)
    for (const folder of roots)
      if (isInside(name, folder) && (await options.isTracked(name, folder))) return true;
  return false;
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

async function checkMode(path: string): Promise<string[]> {
  const { mode } = await stat(path);
  if ((mode & 0o006) === 0) return [];
  const what = (mode & 0o002) === 0 ? 'read' : 'write';
  return [`${path} holds passwords, and every user of this machine can ${what} it: chmod 600 ${path}`];
}

function dropEmpty(env: Variables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '').trim() !== ''),
  );
}

function isOurs(name: string): boolean {
  return isVariable(name) || isVariable(name.replace(/_FILE$/, ''));
}
