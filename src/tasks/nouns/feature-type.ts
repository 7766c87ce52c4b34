import type { Job } from '../../jobs/job.js';
import type { Box, Change, FeatureType } from '../../geoserver/client.js';
import { digest } from '../../lib/hash.js';
import type { Extent, GeometryColumn, RelationInfo } from '../../pgdump/database.js';
import { latLonBoxOf } from '../boxes.js';
import { forgetStores, formerStore, noteStore, storesOf } from '../former-stores.js';
import {
  beforePublishing,
  beforeRemoving,
  featureOf,
  goneLayerToken,
  hasGeoServerPart,
  keywordsOf,
  layerName,
  layerOf,
  layerToken,
  releaseReplaced,
} from '../layer.js';
import type { TaskSettings } from '../settings.js';
import type { TaskContext, TaskDefinition, TaskResult } from '../task.js';
import { storeName } from './data-store.js';

/** GeoServer's view of a restored table: attributes, boxes, titles. Updated in place, never deleted and made anew. */
const updateFeatureType: TaskDefinition = {
  type: 'update_feature_type',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  inputs: (job, settings) => [storeName(job, settings), settings.defaultCrs],
  settles: (job) => [layerToken(layerOf(job).workspace, layerOf(job).name)],
  needsSettled: beforePublishing,
  async run(job, context) {
    const { featureType, table, hasGeometry, warnings } = await describe(job, context);
    const before = context.previous as { table?: string } | undefined;
    const { store } = featureType;
    const change = await context.geoserver.ensureFeatureType(
      {
        ...featureType,
        ...formerStore(job, store, context.made),
        // What this server was last made to read, not what the restore did: that may have been in a run that was cut off, or
        // while this server was down. GeoServer's own answer shows names, and types only in its own words.
        rereadColumns: before?.table !== table,
        likelyNew: context.isNew,
      },
      context.signal,
    );
    await noteStore(job, store, context.made);
    const { sqlView, srs, nativeBox, latLonBox } = featureType;
    const shown = digest([store, table, sqlView, srs, nativeBox, latLonBox].map((part) => part ?? null));
    return { output: { change, shown, table, hasGeometry }, warnings };
  },
};

const removeFeatureType: TaskDefinition = {
  type: 'remove_feature_type',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [goneLayerToken(layerOf(job).workspace, layerOf(job).name)],
  waitsFor: beforeRemoving,
  run: (job, context) => removeFeature(job, storeName(job, context.settings), context),
};

/** Removes the layer from wherever it is: the task file may name another store than it came to. */
export async function removeFeature(job: Job, store: string, context: TaskContext): Promise<TaskResult> {
  const { geoserver, made, signal } = context;
  const { workspace, name } = layerOf(job);
  await releaseReplaced(job, context);
  const changes: Change[] = [];
  for (const place of new Set([store, ...storesOf(job, made)]))
    changes.push(await geoserver.removeFeatureType({ workspace, store: place, name }, signal));
  forgetStores(job, made);
  return { output: changes };
}

/**
 * What GeoServer has to be told, and a digest of the table's columns with their types. Boxes are computed here, since
 * GeoServer's own scan would stop all other requests.
 */
async function describe(job: Job, { database, settings, signal }: TaskContext) {
  const { workspace, name, viewsql, override_bbox } = featureOf(job);
  const relation = await database.describeRelation({ schema: schemaOf(job, settings), name }, signal);
  const column = geometryColumn(job, relation);
  const given = latLonBoxOf(job);
  const isGiven = override_bbox && given !== undefined;
  // Also looked for where only the rows know their coordinate system.
  const found =
    column && (!isGiven || column.srid === 0)
      ? await extent(job, column.name, { database, settings, signal })
      : undefined;
  const geometry = column && { ...column, srid: column.srid || (found?.srid ?? 0) };
  const { srs, warning } = srsOf(job, geometry?.srid, settings);
  const computed = isGiven ? undefined : found;
  const boxes = computed
    ? { nativeBox: toBox(computed.native), ...(computed.latLon ? { latLonBox: toBox(computed.latLon) } : {}) }
    : geometry && given
      ? { latLonBox: given, ...(srs === 'EPSG:4326' ? { nativeBox: given } : {}) }
      : {};
  const featureType: FeatureType = {
    workspace,
    store: storeName(job, settings),
    name,
    nativeName: name,
    title: layerOf(job).title ?? name,
    abstract: layerOf(job).abstract ?? '',
    keywords: keywordsOf(job),
    ...(geometry ? { srs } : {}),
    ...boxes,
    ...(viewsql
      ? { sqlView: { sql: viewsql, ...(geometry ? { geometry: pick(geometry) } : {}) } }
      : { columns: relation.columns.map(({ name: of }) => of) }),
  };
  const warnings = warning === undefined || !geometry ? [] : [warning];
  const table = digest(relation.columns.map(({ name: of, type }) => [of, type]));
  return { featureType, table, hasGeometry: geometry !== undefined, warnings };
}

/** The column that is drawn; an SQL view may have one of its own, which only the task file knows. */
function geometryColumn(
  job: Job,
  { geometryColumns }: RelationInfo,
): Pick<GeometryColumn, 'name' | 'type' | 'srid'> | undefined {
  const { viewsql, spatial_column, spatial_type } = featureOf(job);
  const named = geometryColumns.find((column) => column.name === spatial_column);
  if (named || !viewsql || !spatial_column) return named ?? geometryColumns[0];
  return { name: spatial_column, type: spatial_type ?? 'Geometry', srid: 0 };
}

async function extent(
  job: Job,
  column: string,
  { database, settings, signal }: Pick<TaskContext, 'database' | 'settings' | 'signal'>,
) {
  const { name, viewsql } = featureOf(job);
  return viewsql
    ? database.extentOf({ sql: viewsql, column }, signal)
    : database.extentOf({ schema: schemaOf(job, settings), name, column }, signal);
}

/** Where the store looks for the table: a job that restores nothing need not name a schema. */
function schemaOf(job: Job, settings: TaskSettings): string {
  return featureOf(job).schema ?? settings.store.schema;
}

function pick({ name, type, srid }: Pick<GeometryColumn, 'name' | 'type' | 'srid'>) {
  return { name, type, srid };
}

function toBox({ minX, minY, maxX, maxY }: Extent['native']): Box {
  return { minx: minX, miny: minY, maxx: maxX, maxy: maxY };
}

/** The task file's, else the table's own, else the default; codes that only one database knows become the default. */
export function srsOf(
  job: Job,
  srid: number | undefined,
  settings: TaskSettings,
): { srs: string; warning?: string } {
  const { crs } = layerOf(job);
  if (crs !== undefined && crs !== null) return { srs: crs };
  if (srid === undefined || srid === 0) return { srs: settings.defaultCrs };
  if (srid < 900_000) return { srs: `EPSG:${srid}` };
  return {
    srs: settings.defaultCrs,
    warning: `the table's SRID ${srid} is no standard one: published as ${settings.defaultCrs}`,
  };
}

export default [updateFeatureType, removeFeatureType];
