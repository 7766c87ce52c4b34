import type { FailureReason, RetryClass } from '../lib/errors.js';

/**
 * - pending: not finished yet (a run is under way, was interrupted, or is to come)
 * - done: everything it asks for is applied
 * - failed: see reason, retry, message
 * - excluded: a filter of this slave does not take it, and nothing of it is here
 * - unmanaged: it was applied, and the settings no longer take it: left as it is until `sync --prune`
 */
export type FileState = 'pending' | 'done' | 'failed' | 'excluded' | 'unmanaged';

export interface Failure {
  readonly reason: FailureReason;
  readonly retry: RetryClass;
  readonly message: string;
}

export interface FileRecord {
  readonly path: string;
  readonly blobId: string;
  readonly contentHash: string;
  /** Digest of the settings under which it was judged; another digest means: judge again. */
  readonly settings: string;
  readonly kind: string;
  readonly channel: string;
  readonly action: string;
  readonly identity: string | undefined;
  readonly name: string | undefined;
  readonly spec: Readonly<Record<string, unknown>> | undefined;
  readonly state: FileState;
  readonly failure: Failure | undefined;
  /** A remark on a file that did not fail (a warning, or why it was excluded). */
  readonly remark: string | undefined;
  readonly attempts: number;
  readonly nextAttemptAt: Date | undefined;
  /** When its job was last due by time, of a kind that goes by time: a part of what is to be done. */
  readonly dueAt: Date | undefined;
  readonly revision: string | undefined;
  readonly updatedAt: Date;
}

export interface PublicationRecord {
  readonly path: string;
  /** New with each publication after a removal: what was done for an earlier one counts no more. */
  readonly generation: string;
  readonly identity: string;
  readonly kind: string;
  readonly channel: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

export type TaskState = 'started' | 'done' | 'failed';

export interface TaskKey {
  readonly path: string;
  readonly action: string;
  readonly type: string;
  readonly object: string;
  readonly target: string;
}

export interface TaskRecord extends TaskKey {
  readonly fingerprint: string;
  readonly state: TaskState;
  readonly output: unknown;
  readonly failure: Failure | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
}

export interface RunRecord {
  readonly id: number;
  readonly command: string;
  readonly revision: string | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
  readonly outcome: string | undefined;
}
