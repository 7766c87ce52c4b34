import type { Box } from '../geoserver/client.js';
import type { FileReference, Job, Parts } from '../jobs/job.js';
import type { Spec } from '../jobs/kind.js';
import type { TaskSettings } from './settings.js';
import type { TaskContext } from './task.js';

/** What the kinds' schemas guarantee of every layer, whatever its kind. */
export interface LayerSpec {
  readonly workspace: string;
  readonly name: string;
  readonly title?: string;
  readonly abstract?: string;
  readonly keywords: readonly string[];
  readonly applications: readonly string[];
  readonly bbox?: Box | null;
  readonly crs?: string | null;
  readonly override_bbox: boolean;
  readonly spatial_data: boolean;
  readonly sync_geoserver_data: boolean;
  readonly geoserver_setting: Readonly<Record<string, unknown>>;
  readonly preview_path?: string;
  readonly ows_resource?: readonly OwsResource[] | null;
}

/** A ready-made address of a picture of the layer, as the master's catalogue has it. */
export interface OwsResource {
  readonly protocol: string;
  readonly link: string;
  /** Pixels. */
  readonly height: number;
}

/** A feature: a layer over a table that is restored here. */
export interface FeatureSpec extends LayerSpec {
  readonly schema?: string;
  readonly data_schema?: string;
  readonly outdated_schema?: string;
  readonly sync_postgres_data: boolean;
  readonly spatial_column?: string | null;
  readonly spatial_type?: string | null;
  readonly viewsql?: string | null;
  readonly data?: FileReference;
  readonly job_id?: string | number | null;
}

export const layerOf = (job: Job): LayerSpec => job.spec as unknown as LayerSpec;
export const featureOf = (job: Job): FeatureSpec => job.spec as unknown as FeatureSpec;

/** `workspace:name`, as GeoServer writes it. */
export const layerName = (job: Job): string => `${layerOf(job).workspace}:${layerOf(job).name}`;

/** Keywords and applications both go into the layer's keywords. */
export const keywordsOf = (job: Job): string[] => [
  ...new Set([...layerOf(job).keywords, ...layerOf(job).applications]),
];

/** The parts of the job that this slave has in hand. */
export function partsOf(job: Job, settings: Pick<TaskSettings, 'skipDatabase' | 'skipGeoServer'>): Parts {
  const tables = !settings.skipDatabase && job.leavesTable !== true;
  return job.prunes ?? { tables, layers: !settings.skipGeoServer };
}

/** True when the job has a part in PostgreSQL on this slave. */
export function hasTable(job: Job, settings: TaskSettings): boolean {
  return partsOf(job, settings).tables && job.spec['sync_postgres_data'] !== false;
}

/** True when the job has a part in GeoServer on this slave. */
export function hasGeoServerPart(job: Job, settings: TaskSettings): boolean {
  return (
    partsOf(job, settings).layers &&
    job.spec['sync_geoserver_data'] !== false &&
    job.spec['spatial_data'] !== false
  );
}

/** What leaves out a part of a layer, and what names that part. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  sync_postgres_data: ['schema', 'data_schema', 'outdated_schema'],
  sync_geoserver_data: [],
  spatial_data: [],
};

/**
 * A layer's task file for its removal: a part that it leaves out now, and that an earlier version of it published, stays as it
 * is, and goes with the rest when the file is withdrawn.
 */
export function withAppliedParts(spec: Spec, applied: Spec | undefined): Spec {
  if (applied === undefined) return spec;
  const kept = Object.entries(PARTS).filter(([flag]) => spec[flag] === false && applied[flag] !== false);
  const keys = kept.flatMap(([flag, names]) => [flag, ...names]);
  return { ...spec, ...Object.fromEntries(keys.map((key) => [key, applied[key]])) };
}

/**
 * Tokens by which jobs wait for each other (see TaskDefinition.settles). They are names of facts, not of tasks, so that a
 * kind can wait for another without knowing it.
 */
export const tableToken = (schema: string, table: string): string => `table ${schema}.${table}`;
export const goneTableToken = (schema: string, table: string): string => `no table ${schema}.${table}`;
export const storeToken = (workspace: string, store: string): string => `store ${workspace}:${store}`;
/** Settled by whatever makes a layer use, or no longer use, a store of the workspace. */
export const storeUserToken = (workspace: string): string => `users of stores in ${workspace}`;
export const goneStoreToken = (workspace: string, store: string): string => `no store ${workspace}:${store}`;
/** Settled by the removal of a layer of the store. */
export const leftStoreToken = (workspace: string, store: string): string => `left ${workspace}:${store}`;
export const layerToken = (workspace: string, name: string): string => `layer ${workspace}:${name}`;
export const goneLayerToken = (workspace: string, name: string): string => `no layer ${workspace}:${name}`;
/** Settled by every change of a group's members in the workspace. */
export const groupsToken = (workspace: string): string => `groups in ${workspace}`;
/** Settled by the removal of a group that held the layer. */
export const releasedToken = (workspace: string, name: string): string =>
  `no group holds ${workspace}:${name}`;

/** What a task needs that makes a layer of this name: the removal of another kind's layer of the same name. */
export const beforePublishing = (job: Job): string[] => [
  goneLayerToken(layerOf(job).workspace, layerOf(job).name),
];

/**
 * What a task waits for that removes a layer: groups have to let go of it first. Those that hold what takes its place wait
 * for that themselves, so it has to be taken out of them, see `releaseReplaced`.
 */
export const beforeRemoving = (job: Job): string[] =>
  job.isReplaced === true
    ? []
    : [groupsToken(layerOf(job).workspace), releasedToken(layerOf(job).workspace, layerOf(job).name)];

/** Takes a layer or group out of the groups that hold it when something else takes its place in this run. */
export async function releaseReplaced(job: Job, { geoserver, signal }: TaskContext): Promise<void> {
  const { workspace, name } = layerOf(job);
  if (job.isReplaced === true) await geoserver.releaseFromGroups({ workspace, name }, signal);
}

/** What a task waits for that removes a store: its layers have to go first, but not those of what takes its place. */
export const beforeRemovingStore = (job: Job, workspace: string, store: string): string[] => [
  job.isReplaced === true ? leftStoreToken(workspace, store) : storeUserToken(workspace),
];
