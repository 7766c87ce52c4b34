import { digest } from '../../lib/hash.js';
import type { PublicationRecord } from '../../state/records.js';
import { hasGeoServerPart, layerName, layerOf } from '../layer.js';
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
  applies: hasGeoServerPart,
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
  leavesCatalog: true,
  applies: hasGeoServerPart,
  // Asked for by name, they are emptied whatever another job of the same layer finds.
  object: (job) => (job.action === 'empty_gwc' ? `${layerName(job)} on request` : layerName(job)),
  async run(job, context) {
    const { shown, isNew } = shownIn(context);
    const before = context.previous as { shown?: string } | undefined;
    if (isNew || (shown !== undefined && before?.shown === shown)) return { output: { shown } };
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
    return { output: { shown, changes } };
  },
};

/** What makes a layer: a new one has no tiles yet. */
const MAKERS = ['update_feature_type', 'update_live_feature_type', 'update_wms_layer', 'update_layergroup'];

/**
 * What the tiles are drawn from, as the tasks before this one left it: compared with what this server's tiles were last
 * emptied for, and not with what those tasks changed, since that may have been in a run which was interrupted, or in which
 * this server was down. Undefined for what another server draws, which may have changed whatever its description says.
 */
function shownIn(context: TaskContext): { shown: string | undefined; isNew: boolean } {
  const outputOf = (type: string) =>
    context.output(type) as { change?: string; shown?: string; md5?: string } | undefined;
  const made = MAKERS.map(outputOf).find((output) => output !== undefined);
  const table = outputOf('restore_table');
  const shown = made?.shown === undefined ? undefined : digest([table?.md5 ?? null, made.shown]);
  return { shown, isNew: made?.change === 'created' };
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
