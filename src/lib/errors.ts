/** Why something failed, as a closed set: rendered in one place, stored in the record, shown by `status`. */
export type FailureReason =
  | 'invalid-task-file'
  | 'invalid-config'
  | 'invalid-data'
  | 'filter-failed'
  | 'missing-at-source'
  | 'checksum-mismatch'
  | 'command-failed'
  | 'timed-out'
  | 'connection'
  | 'http-status'
  | 'database'
  | 'conflict'
  | 'not-published-yet'
  | 'disk-full'
  | 'locked'
  | 'guarded'
  | 'cancelled'
  | 'bug';

/**
 * Whether trying again can help, decided where the error is understood.
 * - transient: the same call may work in a moment (connection, 5xx, lock timeout, deadlock, recovery mode)
 * - remote: the source has to change first (a file missing or different at the master): again at every pull or poll
 * - final: the task file itself makes it impossible: only when the file changes, or `slave-sync retry`
 */
export type RetryClass = 'transient' | 'remote' | 'final';

export interface AgentErrorOptions {
  readonly retry: RetryClass;
  readonly cause?: unknown;
  /** What the operator can do next, one sentence. */
  readonly hint?: string;
}

/** Every failure the program understands. Anything else that is thrown counts as a bug. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly reason: FailureReason;
  readonly retry: RetryClass;
  readonly hint: string | undefined;

  constructor(reason: FailureReason, message: string, options: AgentErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.retry = options.retry;
    this.hint = options.hint;
  }
}

/** Turns anything thrown into an AgentError; what is not understood becomes a transient 'bug' that keeps its cause. */
export function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT'))
    return new AgentError('disk-full', messageOf(error), { retry: 'transient', cause: error });
  return new AgentError('bug', messageOf(error), { retry: 'transient', cause: error });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for a Node system error with this code, for instance `isErrno(error, 'ENOENT')`. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The last resort of a switch over a closed union: a new variant fails the build. */
export function unreachable(value: never): never {
  throw new Error(`unhandled: ${String(value)}`);
}
