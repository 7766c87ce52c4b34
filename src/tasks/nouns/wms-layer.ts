import type { Job } from '../../jobs/job.js';
import { latLonBoxOf } from '../boxes.js';
import { forgetStores, formerStore, noteStore } from '../former-stores.js';
import {
  beforePublishing,
  beforeRemoving,
  goneLayerToken,
  hasGeoServerPart,
  keywordsOf,
  layerName,
  layerOf,
  layerToken,
  leftStoreToken,
  releaseReplaced,
  storeToken,
  storeUserToken,
  type LayerSpec,
} from '../layer.js';
import type { TaskDefinition } from '../task.js';

interface WmsLayerSpec extends LayerSpec {
  readonly store: string;
  readonly native_name: string;
}

const wmsOf = (job: Job): WmsLayerSpec => job.spec as unknown as WmsLayerSpec;

const updateWmsLayer: TaskDefinition = {
  type: 'update_wms_layer',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [layerToken(wmsOf(job).workspace, wmsOf(job).name), storeUserToken(wmsOf(job).workspace)],
  waitsFor: (job) => [storeToken(wmsOf(job).workspace, wmsOf(job).store)],
  needsSettled: beforePublishing,
  async run(job, { geoserver, made, signal, isNew }) {
    const { workspace, name, store, native_name, title, abstract, override_bbox } = wmsOf(job);
    const box = override_bbox ? latLonBoxOf(job) : undefined;
    const change = await geoserver.ensureWmsLayer(
      {
        workspace,
        name,
        store,
        nativeName: native_name,
        title: title ?? name,
        abstract: abstract ?? '',
        keywords: keywordsOf(job),
        ...(box ? { latLonBox: box } : {}),
        ...formerStore(job, store, made),
        likelyNew: isNew,
      },
      signal,
    );
    await noteStore(job, store, made);
    return { output: { change } };
  },
};

const removeWmsLayer: TaskDefinition = {
  type: 'remove_wms_layer',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [
    goneLayerToken(layerOf(job).workspace, layerOf(job).name),
    storeUserToken(layerOf(job).workspace),
    leftStoreToken(wmsOf(job).workspace, wmsOf(job).store),
  ],
  waitsFor: beforeRemoving,
  async run(job, context) {
    const { geoserver, made, signal } = context;
    const { workspace, name } = wmsOf(job);
    await releaseReplaced(job, context);
    const change = await geoserver.removeWmsLayer({ workspace, name }, signal);
    forgetStores(job, made);
    return { output: change };
  },
};

export default [updateWmsLayer, removeWmsLayer];
