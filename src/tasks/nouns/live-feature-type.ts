import type { Job } from '../../jobs/job.js';
import { latLonBoxOf } from '../boxes.js';
import {
  beforePublishing,
  beforeRemoving,
  goneLayerToken,
  isPublished,
  isRemoved,
  keywordsOf,
  layerName,
  layerToken,
  storeToken,
  storeUserToken,
  type LayerSpec,
} from '../layer.js';
import type { TaskDefinition } from '../task.js';

interface LiveLayerSpec extends LayerSpec {
  readonly datastore: string;
  readonly table?: string | null;
  readonly viewsql?: string | null;
  readonly spatial_column?: string | null;
  readonly spatial_type?: string | null;
}

const liveOf = (job: Job): LiveLayerSpec => job.spec as unknown as LiveLayerSpec;

/** A layer over a table or an SQL view of a live store, which this slave does not restore and may not be able to read. */
const updateLiveFeatureType: TaskDefinition = {
  type: 'update_live_feature_type',
  target: 'geoserver',
  applies: isPublished,
  object: layerName,
  settles: (job) => [
    layerToken(liveOf(job).workspace, liveOf(job).name),
    storeUserToken(liveOf(job).workspace),
  ],
  waitsFor: (job) => [storeToken(liveOf(job).workspace, liveOf(job).datastore), ...beforePublishing(job)],
  async run(job, { geoserver, settings, signal, isNew }) {
    const { workspace, name, datastore, table, viewsql, title, abstract, crs } = liveOf(job);
    const box = latLonBoxOf(job);
    const change = await geoserver.ensureFeatureType(
      {
        workspace,
        store: datastore,
        name,
        nativeName: table ?? name,
        title: title ?? name,
        abstract: abstract ?? '',
        keywords: keywordsOf(job),
        srs: crs ?? settings.defaultCrs,
        ...(box ? { latLonBox: box } : {}),
        ...(viewsql ? { sqlView: { sql: viewsql, ...geometryOf(job) } } : {}),
        likelyNew: isNew,
      },
      signal,
    );
    return { output: { change } };
  },
};

const removeLiveFeatureType: TaskDefinition = {
  type: 'remove_live_feature_type',
  target: 'geoserver',
  applies: isRemoved,
  object: layerName,
  settles: (job) => [
    goneLayerToken(liveOf(job).workspace, liveOf(job).name),
    storeUserToken(liveOf(job).workspace),
  ],
  waitsFor: beforeRemoving,
  async run(job, { geoserver, signal }) {
    const { workspace, name, datastore } = liveOf(job);
    return { output: await geoserver.removeFeatureType({ workspace, store: datastore, name }, signal) };
  },
};

/** What GeoServer has to know of the geometry of an SQL view, since it cannot look it up. */
function geometryOf(job: Job) {
  const { spatial_column, spatial_type, crs } = liveOf(job);
  if (!spatial_column) return {};
  const srid = Number(/:(\d+)$/.exec(crs ?? '')?.[1] ?? 4326);
  return { geometry: { name: spatial_column, type: spatial_type ?? 'Geometry', srid } };
}

export default [updateLiveFeatureType, removeLiveFeatureType];
