import { gitEnvironment } from '../hooks/environment.js';
import { AgentError } from '../lib/errors.js';
import { CommandFailed, type RunResult } from '../lib/process.js';
import { refused } from './options.js';
import { runVcs, type VcsContext } from './vcs-command.js';
import { PushRejected, type WorkingCopy } from './working-copy.js';

/** A git working copy. git fails at once when another process holds a lock: then we wait. */
export class GitWorkingCopy implements WorkingCopy {
  readonly root: string;
  readonly #context: VcsContext;

  constructor(context: VcsContext) {
    this.root = context.root;
    this.#context = context;
  }

  async prepare(): Promise<void> {
    await this.#branch();
  }

  async commit(paths: readonly string[], message: string): Promise<string> {
    const known = new Set(await this.#tracked(paths));
    // Also what an ignore file covers: it was asked for by name.
    const { stdout } = await this.#git(['ls-files', '-z', '--others', '--', ...paths]);
    const fresh = stdout
      .toString()
      .split('\0')
      .filter((path) => path !== '');
    if (fresh.length > 0) await this.#git(['add', '--force', '--', ...fresh]);
    const mine = paths.filter((path) => known.has(path) || fresh.includes(path));
    if (await this.#differs(mine))
      await this.#git(['commit', '--quiet', '--only', `--message=${message}`, '--', ...mine]);
    return (await this.#git(['rev-parse', 'HEAD'])).stdout.toString().trim();
  }

  async forget(paths: readonly string[]): Promise<void> {
    await this.#git(['reset', '--quiet', '--', ...paths], [0, 1, 128]);
  }

  async push(): Promise<void> {
    const branch = await this.#branch();
    try {
      await this.#git(['push', '--quiet', await this.#remote(branch), `HEAD:refs/heads/${branch}`]);
    } catch (error) {
      const isRejected =
        error instanceof CommandFailed &&
        /\[rejected\]|cannot lock ref|failed to update ref/.test(error.stderr);
      throw isRejected ? new PushRejected(error) : error;
    }
  }

  async rebase(): Promise<void> {
    const branch = await this.#branch();
    try {
      await this.#git(['pull', '--quiet', '--rebase', await this.#remote(branch), branch]);
    } catch (error) {
      await this.#git(['rebase', '--abort'], [0, 1, 128]);
      throw new AgentError('conflict', 'what others have pushed could not be joined with the commit', {
        retry: 'transient',
        hint: 'Merge by hand and push.',
        cause: error,
      });
    }
  }

  async #tracked(paths: readonly string[]): Promise<string[]> {
    return (await this.#git(['ls-files', '-z', '--', ...paths])).stdout.toString().split('\0');
  }

  /** False when someone else has committed the same meanwhile. */
  async #differs(paths: readonly string[]): Promise<boolean> {
    const hasCommits = (await this.#git(['rev-parse', '--quiet', '--verify', 'HEAD'], [0, 1])).exitCode === 0;
    if (!hasCommits) return true;
    return (await this.#git(['diff', '--quiet', 'HEAD', '--', ...paths], [0, 1])).exitCode === 1;
  }

  async #branch(): Promise<string> {
    const { stdout, exitCode } = await this.#git(['symbolic-ref', '--quiet', '--short', 'HEAD'], [0, 1]);
    if (exitCode !== 0)
      throw refused(`${this.root} is on no branch`, 'Check out the branch that slaves follow.');
    return stdout.toString().trim();
  }

  async #remote(branch: string): Promise<string> {
    const { stdout } = await this.#git(['config', `branch.${branch}.remote`], [0, 1]);
    return stdout.toString().trim() || 'origin';
  }

  #git(args: readonly string[], okCodes: readonly number[] = [0]): Promise<RunResult> {
    const { env, ssh } = this.#context;
    return runVcs(
      this.#context,
      'git',
      // File names, not patterns; and no cleaning up that would go on in the background.
      ['--literal-pathspecs', '-c', 'gc.autoDetach=false', '-c', 'maintenance.autoDetach=false', ...args],
      { env: { ...gitEnvironment(env), ...(ssh === undefined ? {} : { GIT_SSH_COMMAND: ssh }) }, okCodes },
      (error) => /\.lock': File exists|cannot lock ref 'HEAD'/.test(error.stderr),
    );
  }
}
