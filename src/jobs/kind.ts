import type { z } from 'zod';

/** Where a kind's task files lie in the state repository. */
export type Place =
  | { readonly folder: string } // <channel>/<folder>/<name>.json
  | { readonly file: string; readonly within: 'channel' | 'root' }; // <channel>/<file> or <file>: not JSON

export type FilterName = 'feature' | 'wms' | 'layergroup';
export type SkipName = 'auth' | 'rules';

/** What every parsed task file has after its meta file was merged into it; kinds add their own keys. */
export type Spec = Readonly<Record<string, unknown>>;

export interface ActionDefinition {
  /** Checks and normalises the merged task file. */
  readonly schema: z.ZodType<Spec>;
  /** Types of the tasks, in order; each is declared in a file of src/tasks/. */
  readonly tasks: readonly string[];
}

/**
 * A job kind: what a task file of one folder may ask for, and which tasks do it. One file in src/jobs/kinds/ declares
 * one kind; nothing else has to be changed to add it.
 */
export interface Kind {
  readonly name: string;
  readonly place: Place;
  readonly filter?: FilterName;
  /** Keys that a filter finds besides the task file's own, which win. The spec may be unchecked. */
  forFilters?(spec: Spec): Spec;
  /** The SKIP_* setting that leaves out the whole kind. */
  readonly skip?: SkipName;
  readonly actions: Readonly<Record<string, ActionDefinition>>;
  /** What it publishes, as one key: two task files of one identity are in conflict. */
  identityOf(spec: Spec): string;
  /** Its task files are named `<workspace>.<name>.json`, so that their names tell what they publish. */
  readonly fileNames?: 'workspace.name';
  /** What else it makes that only one task file may make, as keys (a layer's styles). The spec may be unchecked. */
  claimsOf?(spec: Spec): readonly string[];
  /** The name people know it by, as in the master's tables. */
  nameOf(spec: Spec): string;
  /** Its publishing and removal show in the master's table of layers, a row for each bare name; all else shows in that of tasks. */
  readonly hasLayerRow?: boolean;
  /**
   * Identities that it is made of (a group's members): which of them are on this slave is part of what the job asks for,
   * so that it is due again when one comes or goes. The spec may be unchecked.
   */
  dependsOn?(spec: Spec): readonly string[];
  /** False when deleting the task file asks for nothing. */
  readonly removable: boolean;
  /**
   * A sibling file `<name><suffix>` whose meta file replaces the metadata of `<name>.json` while it exists; of the
   * task file itself only the keys in `keep` count then, so that a fresh slave and one that followed along end equal.
   */
  readonly overlay?: { readonly suffix: string; readonly action: string; readonly keep: readonly string[] };
  /** Keys whose values are secrets: left out of every stored copy. */
  readonly secretKeys?: readonly string[];
  /** When the job is due again although nothing changed, for kinds that work by time; none means: only by change. */
  dueAt?(spec: Spec, lastDone: Date): Date;
}

/** Declares a kind; only there so that a kind's file is checked where it is written. */
export function defineKind(kind: Kind): Kind {
  return kind;
}
