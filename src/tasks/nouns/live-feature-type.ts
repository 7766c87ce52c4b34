import type { Job } from '../../jobs/job.js';
import { latLonBoxOf } from '../boxes.js';
import { formerStore, noteStore } from '../former-stores.js';
import {
  beforePublishing,
  beforeRemoving,
  goneLayerToken,
  hasGeoServerPart,
  keywordsOf,
  layerName,
  layerToken,
  leftStoreToken,
  storeToken,
  storeUserToken,
  type LayerSpec,
} from '../layer.js';
import type { TaskSettings } from '../settings.js';
import type { TaskDefinition } from '../task.js';
import { removeFeature } from './feature-type.js';

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
  applies: hasGeoServerPart,
  object: layerName,
  inputs: (_job, settings) => settings.defaultCrs,
  settles: (job) => [
    layerToken(liveOf(job).workspace, liveOf(job).name),
    storeUserToken(liveOf(job).workspace),
  ],
  waitsFor: (job) => [storeToken(liveOf(job).workspace, liveOf(job).datastore)],
  needsSettled: beforePublishing,
  async run(job, { geoserver, settings, signal, isNew, made }) {
    const { workspace, name, datastore, table, viewsql, title, abstract, crs } = liveOf(job);
    const box = latLonBoxOf(job);
    const srs = crs ?? settings.defaultCrs;
    const change = await geoserver.ensureFeatureType(
      {
        workspace,
        store: datastore,
        name,
        nativeName: table ?? name,
        title: title ?? name,
        abstract: abstract ?? '',
        keywords: keywordsOf(job),
        srs,
        ...(box ? { latLonBox: box, ...(srs === 'EPSG:4326' ? { nativeBox: box } : {}) } : {}),
        ...(viewsql ? { sqlView: { sql: viewsql, ...geometryOf(job, settings) } } : {}),
        ...formerStore(job, datastore, made),
        likelyNew: isNew,
      },
      signal,
    );
    await noteStore(job, datastore, made);
    return { output: { change } };
  },
};

const removeLiveFeatureType: TaskDefinition = {
  type: 'remove_live_feature_type',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [
    goneLayerToken(liveOf(job).workspace, liveOf(job).name),
    storeUserToken(liveOf(job).workspace),
    leftStoreToken(liveOf(job).workspace, liveOf(job).datastore),
  ],
  waitsFor: beforeRemoving,
  run: (job, context) => removeFeature(job, liveOf(job).datastore, context),
};

/** What GeoServer has to know of the geometry of an SQL view, since it cannot look it up. */
function geometryOf(job: Job, settings: TaskSettings) {
  const { spatial_column, spatial_type, crs } = liveOf(job);
  if (!spatial_column) return {};
  const srid = Number(/:(\d+)$/.exec(crs ?? settings.defaultCrs)?.[1] ?? 4326);
  return { geometry: { name: spatial_column, type: spatial_type ?? 'Geometry', srid } };
}

export default [updateLiveFeatureType, removeLiveFeatureType];
