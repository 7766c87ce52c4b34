import type { Clock } from '../lib/clock.js';
import { CommandFailed, run, type RunOptions, type RunResult } from '../lib/process.js';

/** What both sorts of working copies are made with. */
export interface VcsContext {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ssh: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10 * 60_000;
const MAX_LOCK_TRIES = 100;

/** Runs the VCS in the working copy; as long as another process holds the lock, again and again. */
export async function runVcs(
  context: VcsContext,
  program: string,
  args: readonly string[],
  options: RunOptions,
  isLocked: (error: CommandFailed) => boolean = () => false,
): Promise<RunResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(program, args, {
        cwd: context.root,
        signal: context.signal,
        timeoutMs: TIMEOUT_MS,
        ...options,
      });
    } catch (error) {
      if (!(error instanceof CommandFailed) || !isLocked(error) || attempt === MAX_LOCK_TRIES) throw error;
      await context.clock.sleep(50 + Math.random() * 250, context.signal);
    }
  }
}
