import { mercurialBinary, mercurialEnvironment } from '../hooks/environment.js';
import { AgentError } from '../lib/errors.js';
import { CommandFailed, type RunResult } from '../lib/process.js';
import { runVcs, type VcsContext } from './vcs-command.js';
import { PushRejected, type WorkingCopy } from './working-copy.js';

/** A Mercurial working copy. Its own locks order concurrent commits. */
export class HgWorkingCopy implements WorkingCopy {
  readonly root: string;
  readonly #context: VcsContext;

  constructor(context: VcsContext) {
    this.root = context.root;
    this.#context = context;
  }

  async prepare(): Promise<void> {
    const template = String.raw`--template={node}{ifcontains(rev, revset("."), " here")}\n`;
    // 1: there are none yet.
    const { stdout } = await this.#hg(['heads', template, '.'], [0, 1]);
    const heads = stdout.toString().split('\n').slice(0, -1);
    if (heads.length > 1) throw conflict('the branch has several heads', 'Merge them, or close all but one.');
    const [head] = heads;
    if (head === undefined || head.endsWith(' here')) return;
    // Changesets came by a push. --check: nobody's uncommitted changes are touched.
    await this.#hg(['update', '--quiet', '--check', `--rev=${head}`]).catch((error: unknown) => {
      throw conflict(
        'the working copy is behind its branch and has uncommitted changes',
        'Run `hg update`.',
        error,
      );
    });
  }

  async commit(paths: readonly string[], message: string): Promise<string> {
    // 1: nothing changed, since someone else has committed the same.
    await this.#hg(
      ['commit', '--quiet', '--addremove', `--message=${message}`, '--', ...patterns(paths)],
      [0, 1],
    );
    return this.#parent();
  }

  async forget(paths: readonly string[]): Promise<void> {
    for (const pattern of patterns(paths))
      await this.#hg(['revert', '--quiet', '--no-backup', '--', pattern], [0, 1, 255]);
  }

  async push(): Promise<void> {
    try {
      // 1: nothing to push.
      await this.#hg(['push', '--quiet', '--rev=.', ...this.#ssh()], [0, 1]);
    } catch (error) {
      const isRejected =
        error instanceof CommandFailed && /new remote head|push race|unsynced changes/.test(error.stderr);
      throw isRejected ? new PushRejected(error) : error;
    }
  }

  async rebase(): Promise<void> {
    const rebase = ['--config', 'extensions.rebase='];
    try {
      await this.#hg([...rebase, 'pull', '--quiet', '--rebase', ...this.#ssh()], [0, 1]);
    } catch (error) {
      await this.#hg([...rebase, 'rebase', '--abort'], [0, 1, 255]);
      throw conflict(
        'what others have pushed could not be joined with the commit',
        'Merge by hand and push.',
        error,
      );
    }
  }

  async #parent(): Promise<string> {
    return (await this.#hg(['log', '--rev=.', '--template={node}'])).stdout.toString();
  }

  #ssh(): string[] {
    return this.#context.ssh === undefined ? [] : [`--ssh=${this.#context.ssh}`];
  }

  #hg(args: readonly string[], okCodes: readonly number[] = [0]): Promise<RunResult> {
    const { env, root } = this.#context;
    const settings = ['--config', 'ui.interactive=no', '--config', 'ui.merge=internal:fail'];
    return runVcs(this.#context, mercurialBinary(env), [...settings, ...args], {
      env: { ...mercurialEnvironment(env, root), HG_PENDING: undefined },
      okCodes,
    });
  }
}

/** A file name, not a pattern, whatever is in it. */
function patterns(paths: readonly string[]): string[] {
  return paths.map((path) => `path:${path}`);
}

function conflict(message: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('conflict', message, { retry: 'transient', hint, cause });
}
