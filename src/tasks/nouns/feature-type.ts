import type { Job } from '../../jobs/job.js';
import type { Box, FeatureType } from '../../geoserver/client.js';
import { AgentError } from '../../lib/errors.js';
import type { Database, Extent } from '../../pgdump/database.js';
import { latLonBoxOf } from '../boxes.js';
import {
  beforePublishing,
  beforeRemoving,
  featureOf,
  goneLayerToken,
  isPublished,
  isRemoved,
  keywordsOf,
  layerName,
  layerOf,
  layerToken,
} from '../layer.js';
import type { TaskSettings } from '../settings.js';
import type { TaskContext, TaskDefinition } from '../task.js';
import { storeName } from './data-store.js';

/** GeoServer's view of a restored table: attributes, boxes, titles. Updated in place, never deleted and made anew. */
const updateFeatureType: TaskDefinition = {
  type: 'update_feature_type',
  target: 'geoserver',
  applies: isPublished,
  object: layerName,
  inputs: (job, settings) => [storeName(job, settings), settings.defaultCrs],
  settles: (job) => [layerToken(layerOf(job).workspace, layerOf(job).name)],
  waitsFor: beforePublishing,
  async run(job, context) {
    const { featureType, warnings } = await describe(job, context);
    const restored = context.output('restore_table') as { columnsChanged?: boolean } | undefined;
    const change = await context.geoserver.ensureFeatureType(
      { ...featureType, rereadColumns: restored?.columnsChanged === true, likelyNew: context.isNew },
      context.signal,
    );
    return { output: { change }, warnings };
  },
};

const removeFeatureType: TaskDefinition = {
  type: 'remove_feature_type',
  target: 'geoserver',
  applies: isRemoved,
  object: layerName,
  settles: (job) => [goneLayerToken(layerOf(job).workspace, layerOf(job).name)],
  waitsFor: beforeRemoving,
  async run(job, { geoserver, settings, signal }) {
    const { workspace, name } = layerOf(job);
    const change = await geoserver.removeFeatureType(
      { workspace, store: storeName(job, settings), name },
      signal,
    );
    return { output: change };
  },
};

/** What GeoServer has to be told; boxes are computed here, since GeoServer's own scan would stop all other requests. */
async function describe(job: Job, { database, settings, signal }: TaskContext) {
  const { workspace, name, schema, viewsql, spatial_column, override_bbox } = featureOf(job);
  if (schema === undefined)
    throw new AgentError('invalid-task-file', `${job.path}: schema is missing`, { retry: 'final' });
  const relation = await database.describeRelation({ schema, name }, signal);
  const geometry =
    relation.geometryColumns.find((column) => column.name === spatial_column) ?? relation.geometryColumns[0];
  const { srs, warning } = srsOf(job, geometry?.srid, settings);
  const given = latLonBoxOf(job);
  const computed =
    geometry && !override_bbox ? await extent(job, geometry.name, database, signal) : undefined;
  const boxes = computed
    ? { nativeBox: toBox(computed.native), ...(computed.latLon ? { latLonBox: toBox(computed.latLon) } : {}) }
    : geometry && given
      ? { latLonBox: given }
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
      ? { sqlView: { sql: viewsql, ...(geometry ? { geometry } : {}) } }
      : { columns: relation.columns.map((column) => column.name) }),
  };
  return { featureType, warnings: warning === undefined || !geometry ? [] : [warning] };
}

async function extent(job: Job, column: string, database: Database, signal: AbortSignal) {
  const { schema, name, viewsql } = featureOf(job);
  return viewsql
    ? database.extentOf({ sql: viewsql, column }, signal)
    : database.extentOf({ schema: schema ?? '', name, column }, signal);
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
