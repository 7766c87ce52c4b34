import type { Spec } from './kind.js';

/** What a job publishes in the two places that SKIP_DB and SKIP_GS can take out of a slave's hands. */
export interface Parts {
  readonly tables: boolean;
  readonly layers: boolean;
}

/** One task file × action, ready to be planned. */
export interface Job {
  /** Path of the task file in the state repository. */
  readonly path: string;
  readonly channel: string;
  readonly kind: string;
  readonly action: string;
  readonly identity: string;
  readonly name: string;
  /** Distinguishes revisions of the task file: a task that is done for this key is not done again. */
  readonly key: string;
  /** Of the publication it belongs to; see PublicationRecord. */
  readonly generation?: string;
  /** The merged, checked task file. */
  readonly spec: Spec;
  /** Types of the tasks, in order. */
  readonly tasks: readonly string[];
  /** Of a removal: it prunes just these parts, although the settings skip them; the rest of what is published stays. */
  readonly prunes?: Parts;
  /** Of a removal: this run publishes something of another kind under the same identity, which takes its place. */
  readonly isReplaced?: boolean;
  /** Of a removal: another task file has the table now. */
  readonly leavesTable?: boolean;
}

/** A file at the master with its checksum, as task files refer to it. */
export interface FileReference {
  readonly file: string;
  readonly md5: string;
}
