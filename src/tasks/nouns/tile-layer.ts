import type { PublicationRecord } from '../../state/records.js';
import { isPublished, layerName, layerOf } from '../layer.js';
import type { TaskContext, TaskDefinition } from '../task.js';

const GRID_SETS = ['gda94', 'mercator'];
const FORMATS = ['image/png', 'image/jpeg'];
const VECTOR_FORMATS = [
  'application/json;type=geojson',
  'application/json;type=topojson',
  'application/x-protobuf;type=mapbox-vector',
  'application/json;type=utfgrid',
];

/**
 * The layer's tile cache, with the values slaves have always used; the task file's `gridsets` and `meta_tiling_factor` are
 * not among them, since every file names a grid set there that GeoServer does not know.
 */
const updateTileLayer: TaskDefinition = {
  type: 'update_tile_layer',
  target: 'geoserver',
  applies: isPublished,
  object: layerName,
  async run(job, { geoserver, signal, isNew }) {
    const { workspace, name, geoserver_setting: setting } = layerOf(job);
    if (setting['create_cache_layer'] !== true)
      return { output: await geoserver.removeTileLayer({ workspace, name }, signal) };
    await geoserver.ensureGridSets(GRID_SETS, signal);
    const change = await geoserver.ensureTileLayer(
      {
        workspace,
        name,
        formats: setting['service_type'] === 'WFS' ? [...FORMATS, ...VECTOR_FORMATS] : FORMATS,
        gridSets: GRID_SETS,
        gutter: 100,
        meta: [1, 1],
        expireCache: seconds(setting['server_cache_expire']),
        expireClients: seconds(setting['client_cache_expire']),
        likelyNew: isNew,
      },
      signal,
    );
    return { output: change };
  },
};

/**
 * Drops the tiles of the layer and of every group that shows it. GeoServer does so by itself when a style changes, never
 * when data or boxes do.
 */
const emptyTiles: TaskDefinition = {
  type: 'empty_tiles',
  target: 'geoserver',
  applies: isPublished,
  object: layerName,
  async run(job, context) {
    if (job.action !== 'empty_gwc' && !isChanged(context)) return { output: 'unchanged' };
    const { workspace, name } = layerOf(job);
    const groups = groupsHolding(`${workspace}:${name}`, context.publications());
    const changes = await Promise.all(
      [`${workspace}:${name}`, ...groups].map((layer) => {
        const separator = layer.indexOf(':');
        return context.geoserver.truncateTiles(
          { workspace: layer.slice(0, separator), name: layer.slice(separator + 1) },
          context.signal,
        );
      }),
    );
    return { output: changes };
  },
};

/** What makes a layer: a new one has no tiles yet. */
const MAKERS = ['update_feature_type', 'update_live_feature_type', 'update_wms_layer', 'update_layergroup'];

/** False when the tasks before it say that nothing was changed that tiles show, or that the layer is new. */
function isChanged(context: TaskContext): boolean {
  const changeBy = (type: string) => context.output(type) as { change?: string } | undefined;
  if (MAKERS.some((type) => changeBy(type)?.change === 'created')) return false;
  const restored = changeBy('restore_table');
  const published = changeBy('update_feature_type');
  // What another server draws may have changed, whatever its description says.
  if (published === undefined) return true;
  const isDataChanged = restored !== undefined && restored.change !== 'unchanged';
  return isDataChanged || published.change !== 'unchanged';
}

/** Names of the published groups that show a layer, directly or through other groups. */
export function groupsHolding(layer: string, publications: readonly PublicationRecord[]): string[] {
  const found = new Set([layer]);
  for (const name of found)
    for (const publication of publications) {
      const members = publication.spec['layers'];
      if (!Array.isArray(members)) continue;
      const holds = (members as { workspace?: string; name?: string }[]).some(
        (member) =>
          `${member.workspace ?? String(publication.spec['workspace'])}:${member.name ?? ''}` === name,
      );
      if (holds) found.add(`${String(publication.spec['workspace'])}:${publication.name}`);
    }
  found.delete(layer);
  return [...found];
}

function seconds(value: unknown): number {
  const number = Number(value ?? 0);
  return Number.isInteger(number) && number > 0 ? number : 0;
}

export default [updateTileLayer, emptyTiles];
