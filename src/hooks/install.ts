import { access, chmod, chown, constants, mkdir, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { AgentError, isErrno } from '../lib/errors.js';
import type { RepositoryLocation } from './repository.js';

/** One thing that `slave-sync init` does to a clone. */
export type InstallChange =
  | {
      readonly type: 'write';
      readonly file: string;
      /** The bytes it has now; `undefined`: there is no such file. */
      readonly before: Buffer | undefined;
      readonly after: Buffer;
      readonly executable: boolean;
      /** For the operator: one sentence per thing that changes. */
      readonly what: readonly string[];
    }
  | { readonly type: 'move'; readonly file: string; readonly to: string; readonly what: readonly string[] };

export interface InstallPlan {
  /** In the order they have to be made; empty: all is installed. */
  readonly changes: readonly InstallChange[];
  /** What will keep the hooks from working although they are installed; nothing that `init` may mend by itself. */
  readonly warnings: readonly string[];
}

export interface InstallOptions {
  readonly repository: RepositoryLocation;
  /** The command that runs slave-sync, absolute: `['/usr/bin/node', '/usr/lib/node_modules/slave-sync/dist/cli.js']`. */
  readonly command: readonly string[];
  readonly branch?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** Only say what would change. */
  readonly dryRun?: boolean;
}

export interface HookCommand {
  readonly command: readonly string[];
  /** util-linux's setpriv, by which a hook ends together with the VCS that called it; `undefined` when missing. */
  readonly setpriv: string | undefined;
}

/**
 * Makes a clone call slave-sync: `precommit` and `pretxnchangegroup` in .hg/hgrc, or git's hook scripts. Everything else
 * stays as it is, byte for byte, and doing it twice changes nothing. Answers what was (or, with `dryRun`, would be)
 * changed. Throws AgentError 'invalid-config' or 'conflict' when that cannot be done without harm to others' hooks.
 */
export async function install(options: InstallOptions): Promise<InstallPlan> {
  const plan = await planInstall(options);
  if (options.dryRun !== true) for (const change of plan.changes) await apply(change);
  return plan;
}

async function planInstall(options: InstallOptions): Promise<InstallPlan> {
  const [program = ''] = options.command;
  if (!isAbsolute(program) || options.command.some((word) => /[\n\r\0]/.test(word)))
    throw new AgentError(
      'invalid-config',
      `not a command that a hook can run: ${options.command.join(' ')}`,
      {
        retry: 'final',
        hint: 'Install slave-sync under an absolute path without line breaks.',
      },
    );
  const setpriv = await findProgram('setpriv', options.env);
  const hook = { command: options.command, setpriv };
  const { vcs } = options.repository;
  const plan =
    vcs === 'hg'
      ? await (await import('./mercurial/install.js')).planMercurial(options, hook)
      : await (await import('./git/install.js')).planGit(options, hook);
  if (setpriv !== undefined) return plan;
  const missing = `setpriv (util-linux) is not installed: a hook goes on alone when ${vcs} is killed`;
  return { ...plan, warnings: [...plan.warnings, missing] };
}

async function apply(change: InstallChange): Promise<void> {
  if (change.type === 'move') {
    await rename(change.file, change.to);
    return;
  }
  await mkdir(dirname(change.file), { recursive: true });
  const file = await realpath(change.file).catch(() => change.file);
  const old = await statOrUndefined(file);
  // Renamed into place: whoever reads it meanwhile sees the old or the new file, never half of one.
  const temporary = `${file}.slave-sync-${process.pid}`;
  await writeFile(temporary, change.after, { flag: 'wx' });
  await chmod(temporary, ((old?.mode ?? 0o644) & 0o777) | (change.executable ? 0o111 : 0));
  if (old && process.getuid?.() === 0) await chown(temporary, old.uid, old.gid);
  await rename(temporary, file);
}

async function statOrUndefined(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The absolute path of a program on the PATH. */
async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const file = join(folder, name);
    const usable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return file;
  }
  return undefined;
}
