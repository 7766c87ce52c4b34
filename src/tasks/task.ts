import type { Job } from '../jobs/job.js';
import type { HttpClient } from '../lib/http.js';
import type { Logger } from '../lib/log.js';
import type { Database } from '../pgdump/database.js';
import type { GeoServer } from '../geoserver/client.js';
import type { Transfer } from '../transfer/transfer.js';
import type { PublicationRecord } from '../state/records.js';
import type { TaskSettings } from './settings.js';

/**
 * Where a task acts. What was applied is recorded per target, so that a new server gets everything, and one that was
 * down gets only its own part later.
 */
export type TargetKind = 'local' | 'database' | 'geoserver' | 'replica' | 'cdn';

export interface Target {
  readonly kind: TargetKind;
  /** The target's name in the record: no credentials. */
  readonly id: string;
}

export interface TaskDefinition {
  /** Its name in kinds, in the record and in status. */
  readonly type: string;
  readonly target: TargetKind;
  /** Only on the first target of its kind. */
  readonly once?: boolean;
  /** The limit it counts against; its target's own unless said otherwise. */
  readonly resource?: Resource;
  /** Its result does not last (a cached file may be evicted): done again whenever a task that needs it is due. */
  readonly ephemeral?: boolean;
  /** Types of earlier tasks of the same job that have to be done first; all earlier ones unless said otherwise. */
  readonly needs?: readonly string[];
  /** It follows the earlier tasks it needs on every GeoServer: until then these read what it takes away. */
  readonly afterEveryServer?: boolean;
  /** It acts on a GeoServer without changing its catalog: tiles and pictures are no part of it. */
  readonly leavesCatalog?: boolean;
  /** It sends a file, together with those of other jobs. */
  readonly sends?: boolean;
  /** Comes after the earlier tasks of all its jobs, whether they went well or not. */
  readonly barrier?: boolean;
  /** False leaves the task out of this job. */
  applies?(job: Job, settings: TaskSettings): boolean;
  /** What it works on; equal tasks on one object of several jobs are done once. */
  object(job: Job): string;
  /** Settings it depends on besides the task file: when they change, it is due again. */
  inputs?(job: Job, settings: TaskSettings): unknown;
  /** Tokens that are settled when this task has ended, well or not, on its target. */
  settles?(job: Job): readonly string[];
  /** Tokens that every other job has to settle first, on the same target. */
  waitsFor?(job: Job): readonly string[];
  /** Tokens that every other job has to settle well first, on the same target. */
  needsSettled?(job: Job): readonly string[];
  run(job: Job, context: TaskContext): Promise<TaskResult | undefined>;
}

export type Resource = 'transfer' | 'restore' | 'database' | 'geoserver' | 'cdn';

export interface TaskResult {
  /** Kept in the record for later tasks of the job, also of a later run. JSON. */
  readonly output?: unknown;
  /** Tokens that the tasks of this job which need this one have to wait for; known only now. */
  readonly waitsFor?: readonly string[];
  /** Remarks for the operator on a task that did its work. */
  readonly warnings?: readonly string[];
}

/**
 * - here: this slave publishes it, or is about to
 * - not-taken: a filter leaves it out, or a task file of a channel that is not listened to publishes it, or may
 * - missing: no task file publishes it
 */
export type Standing = 'here' | 'not-taken' | 'missing';

/** What a task may use. */
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly settings: TaskSettings;
  readonly transfer: Transfer;
  readonly database: Database;
  /** The GeoServer of this task's target. */
  readonly geoserver: GeoServer;
  /** An earlier run has changed the catalog, and this task's replica may not have read it again. */
  readonly isStale: boolean;
  /** Outputs of every task that changes the catalog of a GeoServer, of all jobs that share this task. */
  readonly catalogOutputs: () => readonly unknown[];
  readonly http: HttpClient;
  readonly made: MadeThings;
  /** Whether another job's thing, of this kind, is published on this slave. */
  readonly standing: (identity: string, kind: string) => Promise<Standing>;
  /** What this slave publishes, as the record has it. */
  readonly publications: () => readonly PublicationRecord[];
  /** The record knows of no earlier end of this task on this target: its object is probably not there yet. */
  readonly isNew: boolean;
  /** The output of this same task on this target when an earlier run did it, if nothing interrupted it since. */
  readonly previous: unknown;
  /** The output of an earlier task of this job, on this target or on one that all share. */
  readonly output: (type: string) => unknown;
  /** Whether an earlier task of this job was done on this target in this very run, so that its result stands. */
  readonly isDoneNow: (type: string) => boolean;
}

/** Things on this task's target that the record says this program made. */
export interface MadeThings {
  of(type: string, owner: string): readonly string[];
  ownerOf(type: string, name: string): string | undefined;
  /** To be waited for before the thing is made. */
  add(type: string, name: string, owner: string): Promise<void>;
  remove(type: string, name: string): void;
}
