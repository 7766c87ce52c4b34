import { AgentError } from '../lib/errors.js';

/** What the exit code says; part of the interface, documented in the README. */
export const EXIT = {
  ok: 0,
  /** At least one job failed; a pull is rolled back (unless ON_FAILURE=accept). */
  failed: 1,
  /** Wrong usage or configuration: nothing was touched. */
  usage: 2,
  /** The run would have removed too much and stopped before its first change. */
  guarded: 3,
  /** A bug of this program. */
  internal: 70,
  /** Another run holds the lock (EX_TEMPFAIL): try again later. */
  locked: 75,
  // 129, 130, 143: stopped by a signal, see signals.ts.
} as const;

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof AgentError)) return EXIT.internal;
  switch (error.reason) {
    case 'invalid-config':
      return EXIT.usage;
    case 'guarded':
      return EXIT.guarded;
    case 'locked':
      return EXIT.locked;
    case 'bug':
      return EXIT.internal;
    default:
      return EXIT.failed;
  }
}
