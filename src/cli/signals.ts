import { constants } from 'node:os';
import { AgentError } from '../lib/errors.js';

export interface Stop {
  readonly signal: AbortSignal;
  /** 128 + the number of the signal that asked to stop; undefined when none did. */
  exitCode(): number | undefined;
}

/**
 * TERM, INT and HUP stop the work: running tasks are aborted, what they left is recorded, and the process ends by itself.
 * When that takes longer than `graceMs`, it ends all the same: every task can be done again.
 */
export function stopOnSignals(graceMs: number): Stop {
  const controller = new AbortController();
  let code: number | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (code !== undefined) return;
      code = 128 + constants.signals[name];
      const exitCode = code;
      controller.abort(new AgentError('cancelled', `stopped by ${name}`, { retry: 'transient' }));
      setTimeout(() => process.exit(exitCode), graceMs).unref();
    });
  return { signal: controller.signal, exitCode: () => code };
}
