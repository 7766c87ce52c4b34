import type { Secret } from '../lib/secret.js';

/** The master's database, where its people look at what each slave has done. */
export interface MasterSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly schema: string;
  readonly user: string;
  readonly password: Secret | undefined;
}

/** How this slave shows in the master's list. */
export interface SlaveIdentity {
  readonly name: string;
  readonly channels: readonly string[];
  readonly codeVersion: string;
}

/** One task on one of its targets. */
export interface TaskReport {
  readonly type: string;
  readonly object: string;
  readonly target: string;
  /** blocked: not tried, since something it needs has failed. */
  readonly state: 'done' | 'failed' | 'blocked';
  readonly message?: string | undefined;
  readonly finishedAt?: Date | undefined;
}

/** A job that has ended, on all of its targets. */
export interface JobReport {
  readonly path: string;
  readonly channel: string;
  readonly kind: string;
  /** See Kind. */
  readonly hasLayerRow: boolean;
  readonly action: string;
  readonly name: string;
  /** Set when names of this kind are unique within a workspace only. */
  readonly workspace?: string | undefined;
  readonly state: 'done' | 'failed';
  readonly failure?: string | undefined;
  /** What people should know of a job that is done. */
  readonly remark?: string | undefined;
  readonly finishedAt: Date;
  readonly spatialType?: string | undefined;
  readonly jobId?: number | undefined;
  readonly jobBatchId?: string | undefined;
  /** Path of the preview, relative to the master's folder of previews. */
  readonly previewFile?: string | undefined;
  readonly tasks: readonly TaskReport[];
}

/** What a run did, file by file. */
export interface RunSummary {
  readonly succeeded: boolean;
  readonly endedAt: Date;
  readonly files: readonly FileResult[];
  /** Why the run did not go to its end, or what went wrong before it. */
  readonly message?: string | undefined;
}

export interface FileResult {
  readonly path: string;
  readonly action: string;
  readonly succeeded: boolean;
  readonly message: string | undefined;
}
