import { converge, type Change } from './change.js';
import { errorOf, GeoServerError } from './errors.js';
import type { GridSets } from './grid-sets.js';
import { sameSet } from './json.js';
import { path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';
import { buildXml, find, parseXml, type XmlElement } from './xml.js';

export interface TileLayer extends Qualified {
  /** MIME types, for instance `image/png`. */
  readonly formats: readonly string[];
  readonly gridSets: readonly string[];
  /** Pixels drawn around each tile and cut off again. */
  readonly gutter: number;
  /** Tiles drawn at once, across and down. */
  readonly meta: readonly [number, number];
  /** Seconds; 0 is the server's default. */
  readonly expireCache: number;
  readonly expireClients: number;
  /** The layer was just made: the tile layer that came with it is replaced without looking. */
  readonly likelyNew?: boolean;
}

const XML = 'text/xml';

/**
 * Gives a layer or group its tile layer. GeoServer makes one of its own for every new layer, so "created" stands only
 * for one that was missing. Tiles stay: see {@link truncateTiles}.
 */
export function ensureTileLayer(
  rest: Rest,
  gridSets: GridSets,
  wanted: TileLayer,
  signal: AbortSignal,
): Promise<Change> {
  const body = buildXml(xmlOf(wanted));
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = likelyNew ? undefined : await read(rest, wanted, signal);
      const change: Change = current === undefined && !likelyNew ? 'created' : 'updated';
      likelyNew = false;
      if (current !== undefined && isSame(current, wanted)) return 'unchanged';
      // GeoServer takes unknown grid sets, and then its whole tile service is broken.
      await gridSets.ensure(wanted.gridSets, signal);
      await rest.write({ method: 'PUT', path: tilePath(wanted), body, type: XML }, signal);
      return change;
    }, signal),
  );
}

/**
 * Takes the tile layer with its tiles away; maps are then drawn at each request. With `likelyNew` it does not look
 * first, since a new layer has one.
 */
export function removeTileLayer(
  rest: Rest,
  name: Qualified & Pick<TileLayer, 'likelyNew'>,
  signal: AbortSignal,
): Promise<Change> {
  return rest.alone(name, () =>
    converge(async () => {
      if (name.likelyNew !== true && (await read(rest, name, signal)) === undefined) return 'unchanged';
      return (await rest.delete(tilePath(name), signal)) ? 'removed' : 'unchanged';
    }, signal),
  );
}

/**
 * Empties the tiles of a layer in all grid sets, formats and styles; effective when it returns. A layer without tile
 * layer is 'unchanged'. GeoServer does this by itself after a change of styles, never after a change of data.
 */
export async function truncateTiles(rest: Rest, name: Qualified, signal: AbortSignal): Promise<Change> {
  const body = buildXml({ truncateLayer: { layerName: qualify(name) } });
  const write = { method: 'POST', path: '/gwc/rest/masstruncate', body, type: XML } as const;
  return rest.alone(name, async () => {
    try {
      await rest.write(write, signal);
      return 'updated';
    } catch (error) {
      if (error instanceof GeoServerError && error.says(/Could not find layer/)) return 'unchanged';
      throw error;
    }
  });
}

async function read(rest: Rest, name: Qualified, signal: AbortSignal): Promise<XmlElement | undefined> {
  const response = await rest.getAny(tilePath(name), signal, 'application/xml');
  if (response.status === 404) return undefined;
  if (response.status !== 200) throw errorOf(response, `GET tile layer ${qualify(name)}`);
  return parseXml(response.body.toString('utf8'));
}

/** Compares what is ours; GeoServer adds an id, extents and other fields, and reorders grid sets. */
function isSame(current: XmlElement, wanted: TileLayer): boolean {
  const value = (name: string): string => find(current, name)?.text ?? '';
  const values = (...names: readonly string[]): readonly string[] =>
    find(current, ...names.slice(0, -1))
      ?.children.filter((child) => child.name === names.at(-1))
      .map((child) => child.text) ?? [];
  const gridSets = find(current, 'gridSubsets')?.children.map(
    (child) => find(child, 'gridSetName')?.text ?? '',
  );
  return (
    value('enabled') === 'true' &&
    sameSet(values('mimeFormats', 'string'), wanted.formats) &&
    sameSet(gridSets ?? [], wanted.gridSets) &&
    values('metaWidthHeight', 'int').join() === wanted.meta.join() &&
    Number(value('gutter')) === wanted.gutter &&
    Number(value('expireCache')) === wanted.expireCache &&
    Number(value('expireClients')) === wanted.expireClients &&
    find(current, 'parameterFilters', 'styleParameterFilter') !== undefined
  );
}

function xmlOf(wanted: TileLayer): object {
  return {
    GeoServerLayer: {
      enabled: true,
      name: qualify(wanted),
      mimeFormats: { string: wanted.formats },
      gridSubsets: { gridSubset: wanted.gridSets.map((name) => ({ gridSetName: name })) },
      metaWidthHeight: { int: wanted.meta },
      expireCache: wanted.expireCache,
      expireClients: wanted.expireClients,
      parameterFilters: { styleParameterFilter: { key: 'STYLES', defaultValue: '' } },
      gutter: wanted.gutter,
    },
  };
}

function tilePath(name: Qualified): string {
  return path`/gwc/rest/layers/${qualify(name)}.xml`;
}
