import * as about from './about.js';
import * as accessRules from './access-rules.js';
import type { Box } from './boxes.js';
import type { Change } from './change.js';
import type { Defect } from './dangling.js';
import * as dataStores from './data-stores.js';
import * as featureTypes from './feature-types.js';
import { GridSets } from './grid-sets.js';
import * as inspect from './inspect.js';
import * as layerGroups from './layer-groups.js';
import * as layers from './layers.js';
import * as maps from './maps.js';
import type { Qualified } from './names.js';
import { Rest, type GeoServerDeps, type GeoServerSettings } from './rest.js';
import * as styles from './styles.js';
import * as tileLayers from './tile-layers.js';
import * as wmsLayers from './wms-layers.js';
import * as wmsStores from './wms-stores.js';
import * as workspaces from './workspaces.js';

export type { Box } from './boxes.js';
export type { Change } from './change.js';
export type { Expected } from './dangling.js';
export type { GeoServerDeps, GeoServerSettings } from './rest.js';
export type { PostgisStore } from './data-stores.js';
export type { FeatureType, FeatureTypeName, SqlView } from './feature-types.js';
export type { GroupMember, LayerGroup } from './layer-groups.js';
export type { FetchedImage, MapImage, MapRequest } from './maps.js';
export type { WmsLayer } from './wms-layers.js';
export type { WmsStore } from './wms-stores.js';
export type { LayerStyles } from './layers.js';
export type { Qualified } from './names.js';
export type { Style } from './styles.js';
export type { TileLayer } from './tile-layers.js';
export type { Workspace } from './workspaces.js';
export { GeoServerError } from './errors.js';
export { union } from './boxes.js';

/**
 * One GeoServer, by its REST interface. `ensure…` brings an object into the wanted state: it looks first, writes only
 * what differs, and says what it did; an object that is as wanted costs one GET. `remove…` takes a missing object as
 * removed. All may be called at the same time: writes to one object never overtake each other. None of them reloads
 * the server, resets a store, or deletes an object to create it anew (but for WMS layers, where GeoServer sometimes
 * leaves no other way).
 *
 * Throws AgentError: 'connection', 'timed-out', 'cancelled', or what GeoServer said, sorted by its text
 * (GeoServerError); 'invalid-task-file' (final) for a name that GeoServer cannot address, before any request.
 */
export class GeoServer {
  readonly url: string;
  readonly #rest: Rest;
  readonly #gridSets: GridSets;

  constructor(settings: GeoServerSettings, deps: GeoServerDeps) {
    this.#rest = new Rest(settings, deps);
    this.#gridSets = new GridSets(this.#rest);
    this.url = this.#rest.url;
  }

  async version(signal: AbortSignal): Promise<string> {
    return about.version(this.#rest, signal);
  }

  async serverTime(signal: AbortSignal): Promise<Date | undefined> {
    return inspect.serverTime(this.#rest, signal);
  }

  async gridSetNames(signal: AbortSignal): Promise<readonly string[]> {
    return inspect.gridSetNames(this.#rest, signal);
  }

  async findDefects(wanted: inspect.Wanted, signal: AbortSignal): Promise<readonly Defect[]> {
    return inspect.findDefects(this.#rest, wanted, signal);
  }

  async ensureWorkspace(workspace: workspaces.Workspace, signal: AbortSignal): Promise<Change> {
    return workspaces.ensureWorkspace(this.#rest, workspace, signal);
  }

  async ensurePostgisStore(store: dataStores.PostgisStore, signal: AbortSignal): Promise<Change> {
    return dataStores.ensurePostgisStore(this.#rest, store, signal);
  }

  async removeDataStore(store: Qualified, signal: AbortSignal): Promise<Change> {
    return dataStores.removeDataStore(this.#rest, store, signal);
  }

  async listFeatureTypes(store: Qualified, signal: AbortSignal): Promise<readonly string[] | undefined> {
    return dataStores.listFeatureTypes(this.#rest, store, signal);
  }

  async ensureStyle(style: styles.Style, signal: AbortSignal): Promise<Change> {
    return styles.ensureStyle(this.#rest, style, signal);
  }

  async removeStyle(style: Qualified, signal: AbortSignal): Promise<Change> {
    return styles.removeStyle(this.#rest, style, signal);
  }

  async ensureFeatureType(featureType: featureTypes.FeatureType, signal: AbortSignal): Promise<Change> {
    return featureTypes.ensureFeatureType(this.#rest, featureType, signal);
  }

  async removeFeatureType(name: featureTypes.FeatureTypeName, signal: AbortSignal): Promise<Change> {
    return featureTypes.removeFeatureType(this.#rest, name, signal);
  }

  async setLayerStyles(layerStyles: layers.LayerStyles, signal: AbortSignal): Promise<Change> {
    return layers.setLayerStyles(this.#rest, layerStyles, signal);
  }

  async layerBox(name: Qualified, signal: AbortSignal): Promise<Box | undefined> {
    const box = await layers.layerBox(this.#rest, name, 'featureType', signal);
    return box === 'missing' ? undefined : box;
  }

  async ensureWmsStore(store: wmsStores.WmsStore, signal: AbortSignal): Promise<Change> {
    return wmsStores.ensureWmsStore(this.#rest, store, signal);
  }

  async removeWmsStore(store: Qualified, signal: AbortSignal): Promise<Change> {
    return wmsStores.removeWmsStore(this.#rest, store, signal);
  }

  async listWmsLayers(store: Qualified, signal: AbortSignal): Promise<readonly string[] | undefined> {
    return wmsStores.listWmsLayers(this.#rest, store, signal);
  }

  async ensureWmsLayer(layer: wmsLayers.WmsLayer, signal: AbortSignal): Promise<Change> {
    return wmsLayers.ensureWmsLayer(this.#rest, layer, signal);
  }

  async removeWmsLayer(name: Qualified, signal: AbortSignal): Promise<Change> {
    return wmsLayers.removeWmsLayer(this.#rest, name, signal);
  }

  async ensureLayerGroup(group: layerGroups.LayerGroup, signal: AbortSignal): Promise<Change> {
    return layerGroups.ensureLayerGroup(this.#rest, group, signal);
  }

  async removeLayerGroup(name: Qualified, signal: AbortSignal): Promise<Change> {
    return layerGroups.removeLayerGroup(this.#rest, name, signal);
  }

  async releaseFromGroups(member: Qualified, signal: AbortSignal): Promise<void> {
    return layerGroups.releaseFromGroups(this.#rest, member, signal);
  }

  async groupBox(group: Qualified, signal: AbortSignal): Promise<Box | undefined> {
    return layerGroups.groupBox(this.#rest, group, signal);
  }

  async putAccessRules(file: string, signal: AbortSignal): Promise<Change> {
    return accessRules.putAccessRules(this.#rest, file, signal);
  }

  async getMap(map: maps.MapRequest, signal: AbortSignal): Promise<maps.MapImage> {
    return maps.getMap(this.#rest, map, signal);
  }

  async fetchImage(address: string, signal: AbortSignal): Promise<maps.FetchedImage | undefined> {
    return maps.fetchImage(this.#rest, address, signal);
  }

  async ensureGridSets(names: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#gridSets.ensure(names, signal);
  }

  async ensureTileLayer(tileLayer: tileLayers.TileLayer, signal: AbortSignal): Promise<Change> {
    return tileLayers.ensureTileLayer(this.#rest, this.#gridSets, tileLayer, signal);
  }

  async removeTileLayer(
    name: Qualified & { readonly likelyNew?: boolean },
    signal: AbortSignal,
  ): Promise<Change> {
    return tileLayers.removeTileLayer(this.#rest, name, signal);
  }

  async truncateTiles(name: Qualified, signal: AbortSignal): Promise<Change> {
    return tileLayers.truncateTiles(this.#rest, name, signal);
  }

  /**
   * Makes this server read its whole configuration again: only for one that shares its data directory with another,
   * which has been written. Readers of all its layers fail meanwhile.
   */
  async reload(signal: AbortSignal): Promise<void> {
    return about.reload(this.#rest, signal);
  }

  close(): void {
    this.#rest.close();
  }
}
