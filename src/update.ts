import { existsSync, realpathSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gitEnvironment } from './hooks/environment.js';
import type { Clock } from './lib/clock.js';
import { AgentError, messageOf } from './lib/errors.js';
import type { Logger } from './lib/log.js';
import { CommandFailed, run, tail } from './lib/process.js';
import { acquireLock, type RunLock } from './state/lock.js';

/**
 * The program's own code, where it runs from a git checkout and CODE_BRANCH says what to follow. Nothing in the checkout
 * changes but:
 *   dist -> releases/<commit>/dist   what hooks and services run (a folder until the first update)
 *   releases/<commit>/               a worktree of that commit, with node_modules and dist of its own
 * so that settings, fetched files and the record beside it (`code/.env`, `code/dumps`, `code/.sync_status`) stay, and a
 * process that still runs an older release finds all of its files.
 */
export interface UpdateOptions {
  readonly branch: string;
  /** The folder that the running program lies in. */
  readonly folder: string;
  /** Of the record, whose lock keeps runs away while the link is switched. */
  readonly statePath: string;
  /** Arguments of the new program that have to work before it is used. */
  readonly selfTests: readonly (readonly string[])[];
  /** The `dist/cli.js` that this process was already re-executed for: not again. */
  readonly reexecuted?: string | undefined;
  /** What makes `dist/` in a fresh worktree. */
  readonly build?: readonly (readonly [program: string, ...args: string[]])[];
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export type Update =
  | { readonly outcome: 'current' | 'not-a-checkout' }
  /** Another release is in place: `cli` has to be run instead of this process. */
  | { readonly outcome: 'switched'; readonly cli: string }
  /** The old version goes on. */
  | { readonly outcome: 'failed'; readonly message: string };

const BUILD: NonNullable<UpdateOptions['build']> = [
  ['npm', 'ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'],
  ['npm', 'run', 'build'],
];

const RELEASES = 'releases';
const RELEASE_NAME = /^[0-9a-f]{40}$/;
const FETCH_MS = 60_000;
const BUILD_MS = 15 * 60_000;
const SELF_TEST_MS = 60_000;
/** Characters of what a build printed that are worth telling. */
const SAID = 600;
/** What could not be built is not built at every poll; the registry may only have been away. */
const AGAIN_AFTER_MS = 60 * 60_000;

/** The folder of the program that runs: above `dist/` or `src/`, links resolved. */
export function programFolder(): string {
  return dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
}

/** The path that stays the same over updates, for hook lines: of `<checkout>/releases/<commit>/<file>` it is `<checkout>/<file>`. */
export function stablePath(file: string): string {
  const stable = file.replace(/\/releases\/[0-9a-f]{40}(?=\/)/, '');
  return existsSync(stable) ? stable : file;
}

/**
 * Brings the program to the head of its branch, if that is ahead of what runs: fetch, build in a folder of its own,
 * self-test, switch. Whatever goes wrong is an outcome, and the running version stays in place; throws only the signal's
 * reason. A commit that could not be built is tried again after an hour.
 */
export async function update(options: UpdateOptions): Promise<Update> {
  const { folder, log, signal } = options;
  if (!existsSync(join(folder, '.git'))) return { outcome: 'not-a-checkout' };
  try {
    return await new Updater(options).update();
  } catch (error) {
    signal.throwIfAborted();
    const message = `the program was not updated to ${options.branch}: ${messageOf(error)}`;
    log.error(message);
    return { outcome: 'failed', message };
  }
}

class Updater {
  readonly #options: UpdateOptions;
  /** Of the clone, which is `folder` itself or the one that has it as a release. */
  readonly #checkout: string;
  readonly #cli: string;

  constructor(options: UpdateOptions) {
    const { folder } = options;
    const isRelease = RELEASE_NAME.test(basename(folder)) && basename(dirname(folder)) === RELEASES;
    this.#options = options;
    this.#checkout = isRelease ? dirname(dirname(folder)) : folder;
    this.#cli = join(this.#checkout, 'dist', 'cli.js');
  }

  async update(): Promise<Update> {
    const { folder, reexecuted, branch, log } = this.#options;
    const inPlace = existsSync(this.#cli) ? realpathSync(this.#cli) : undefined;
    // Somebody else has switched, since this process started.
    if (inPlace !== undefined && inPlace !== join(folder, 'dist', 'cli.js') && inPlace !== reexecuted)
      return { outcome: 'switched', cli: this.#cli };
    const [running, head] = [await this.#git('rev-parse', 'HEAD'), await this.#fetch()];
    const release = join(this.#checkout, RELEASES, head);
    if (join(release, 'dist', 'cli.js') === reexecuted || (await this.#isAncestor(head, running)))
      return { outcome: 'current' };
    if (!(await this.#isAncestor(running, head)))
      throw failure(
        `${short(head)} does not follow ${short(running)}, which runs: its history was rewritten`,
      );
    await mkdir(dirname(release), { recursive: true });
    const lock = this.#lock(dirname(release));
    // Another process builds it.
    if (lock === undefined) return { outcome: 'current' };
    try {
      await this.#make(release, head);
      if (!(await this.#switchTo(head))) return { outcome: 'current' };
      await this.#forgetOthers(head);
    } finally {
      lock.release();
    }
    log.info('program updated', { from: short(running), to: short(head), branch });
    return { outcome: 'switched', cli: this.#cli };
  }

  /** The branch's head, as the checkout's `origin` has it now. */
  async #fetch(): Promise<string> {
    const ref = `refs/remotes/origin/${this.#options.branch}`;
    const refspec = `+refs/heads/${this.#options.branch}:${ref}`;
    await this.#git('fetch', '--quiet', '--no-tags', '--no-auto-gc', 'origin', refspec);
    return this.#git('rev-parse', '--verify', `${ref}^{commit}`);
  }

  /** A worktree of the commit that is built and has passed its tests. */
  async #make(release: string, head: string): Promise<void> {
    const [tested, failed] = [`${release}.tested`, `${release}.failed`];
    if (existsSync(tested) && existsSync(release)) return;
    await this.#refuseWhatFailed(failed);
    await rm(release, { recursive: true, force: true });
    await this.#git('worktree', 'prune');
    const { selfTests, build = BUILD, log, signal } = this.#options;
    log.info('building a new version of the program', { commit: short(head) });
    try {
      await this.#git('worktree', 'add', '--quiet', '--detach', release, head);
      for (const [program, ...args] of build) await this.#run(program, args, release, BUILD_MS);
      const cli = join(release, 'dist', 'cli.js');
      for (const args of selfTests)
        await this.#run(process.execPath, [cli, ...args], process.cwd(), SELF_TEST_MS);
      await writeFile(tested, '');
    } catch (error) {
      await this.#remove(release);
      if (!signal.aborted) await writeFile(failed, messageOf(error));
      throw error;
    }
  }

  async #refuseWhatFailed(marker: string): Promise<void> {
    if (!existsSync(marker)) return;
    const again = (await stat(marker)).mtimeMs + AGAIN_AFTER_MS;
    if (this.#options.clock.now().getTime() < again)
      throw failure(`${await readFile(marker, 'utf8')} (tried again after ${new Date(again).toISOString()})`);
    await rm(marker);
  }

  /**
   * False when a run is under way: it may come from a `dist` that is still a folder, whose files it loads as it needs
   * them; the next time will do.
   */
  async #switchTo(head: string): Promise<boolean> {
    const lock = this.#lock(this.#options.statePath);
    if (lock === undefined) return false;
    const dist = join(this.#checkout, 'dist');
    const [next, old] = [`${dist}.next-${process.pid}`, `${dist}.old-${process.pid}`];
    try {
      await rm(next, { force: true });
      await symlink(join(RELEASES, head, 'dist'), next);
      // A link is replaced by rename in one step; a folder has to go first.
      const isFolder = await lstat(dist).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (isFolder) await rename(dist, old);
      try {
        await rename(next, dist);
      } catch (error) {
        if (isFolder) await rename(old, dist);
        throw error;
      }
      await rm(old, { recursive: true, force: true });
      return true;
    } finally {
      lock.release();
    }
  }

  /** Keeps the new release, and the one that runs: another process may be in the middle of it. */
  async #forgetOthers(head: string): Promise<void> {
    const releases = join(this.#checkout, RELEASES);
    const kept = [head, basename(this.#options.folder)];
    for (const name of await readdir(releases)) {
      const commit = name.replace(/\.(tested|failed)$/, '');
      if (!RELEASE_NAME.test(commit) || kept.includes(commit)) continue;
      if (name === commit) await this.#remove(join(releases, name));
      else await rm(join(releases, name), { force: true });
    }
  }

  async #remove(release: string): Promise<void> {
    await rm(release, { recursive: true, force: true });
    await run('git', this.#gitArgs('worktree', 'prune'), { env: gitEnvironment(this.#options.env) });
  }

  #lock(folder: string): RunLock | undefined {
    const since = this.#options.clock.now().toISOString();
    try {
      return acquireLock(folder, { pid: process.pid, command: 'slave-sync (updating itself)', since });
    } catch (error) {
      if (error instanceof AgentError && error.reason === 'locked') return undefined;
      throw error;
    }
  }

  async #isAncestor(ancestor: string, commit: string): Promise<boolean> {
    const { exitCode } = await run('git', this.#gitArgs('merge-base', '--is-ancestor', ancestor, commit), {
      env: gitEnvironment(this.#options.env),
      okCodes: [0, 1],
      signal: this.#options.signal,
      timeoutMs: FETCH_MS,
    });
    return exitCode === 0;
  }

  async #git(...args: string[]): Promise<string> {
    return (await this.#run('git', this.#gitArgs(...args), this.#options.folder, FETCH_MS)).trim();
  }

  /** Hooks of the checkout are not ours to run. */
  #gitArgs(...args: string[]): string[] {
    return ['-C', this.#options.folder, '-c', 'core.hooksPath=/dev/null', ...args];
  }

  /** Runs in none of the repositories that a hook may be bound to. Node's own folder comes first on the PATH: npm lies there. */
  async #run(program: string, args: readonly string[], cwd: string, timeoutMs: number): Promise<string> {
    const { env, signal } = this.#options;
    const PATH = [dirname(process.execPath), env['PATH'] ?? ''].join(delimiter);
    try {
      const { stdout } = await run(program, args, {
        cwd,
        env: { ...gitEnvironment(env), PATH },
        signal,
        timeoutMs,
      });
      return stdout.toString('utf8');
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      const what = [basename(program), ...args.filter((word) => /^[a-z-]+$/.test(word))].join(' ');
      // Compilers say what is wrong on stdout.
      throw failure([`${what}: ${error.message}`, tail(error.stdout, SAID)].join('\n').trim());
    }
  }
}

function failure(message: string): AgentError {
  return new AgentError('command-failed', message, { retry: 'transient' });
}

function short(commit: string): string {
  return commit.slice(0, 12);
}
