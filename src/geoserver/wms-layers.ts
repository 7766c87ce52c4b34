import { AgentError } from '../lib/errors.js';
import { digest } from '../lib/hash.js';
import { fromJson, LAT_LON, sameBox, toJson, type Box } from './boxes.js';
import { converge, type Change } from './change.js';
import { GeoServerError } from './errors.js';
import { at, entries, list, listOfTexts, sameList, text, toEntries } from './json.js';
import { MARKER } from './marker.js';
import { finishMove } from './moves.js';
import { path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';
import { listWmsLayers, refreshCapabilities } from './wms-stores.js';

export interface WmsLayer extends Qualified {
  readonly store: string;
  /** The layer's name on the remote server. */
  readonly nativeName: string;
  readonly title: string;
  readonly abstract: string;
  readonly keywords: readonly string[];
  /** With boxes and coordinate system left out, those of the remote server are taken when the layer is made. */
  readonly srs?: string;
  readonly nativeBox?: Box;
  readonly latLonBox?: Box;
  /** The store that this layer was published from so far: a move that was interrupted is finished. */
  readonly previousStore?: string;
  /** The caller knows of no such layer: it is created without looking first, which saves a request. */
  readonly likelyNew?: boolean;
}

const UNKNOWN_LAYER = /Could not find layer .* in the server capabil/i;

/**
 * Publishes a layer of a remote WMS, updates it in place, or moves it to another store. Throws GeoServerError
 * 'missing-at-source' (remote) when the remote server does not offer it, after asking that server once more.
 */
export function ensureWmsLayer(rest: Rest, wanted: WmsLayer, signal: AbortSignal): Promise<Change> {
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = likelyNew ? undefined : await read(rest, wanted, signal);
      likelyNew = false;
      rest.boxes.delete(qualify(wanted));
      if (current === undefined) {
        await create(rest, wanted, signal);
        if (wanted.latLonBox !== undefined) rest.boxes.set(qualify(wanted), wanted.latLonBox);
        return 'created';
      }
      const { workspace, name, store, previousStore } = wanted;
      const actualStore = text(at(current, 'store', 'name')).slice(workspace.length + 1);
      const from = actualStore === store ? previousStore : actualStore;
      const moves = actualStore !== store;
      if (moves || at(current, 'nativeName') !== wanted.nativeName) await checkOffered(rest, wanted, signal);
      const same = !moves && isSame(current, wanted);
      if (!same) await update(rest, current, wanted, signal);
      if (from !== undefined && from !== store) await finishMove(rest, { workspace, name, from }, signal);
      if (same) rest.boxes.set(qualify(wanted), fromJson(at(current, 'latLonBoundingBox')));
      return same ? 'unchanged' : 'updated';
    }, signal),
  );
}

/** Removes the layer with its tiles. A member of a layer group is refused: 'conflict'. */
export function removeWmsLayer(rest: Rest, name: Qualified, signal: AbortSignal): Promise<Change> {
  rest.boxes.delete(qualify(name));
  return rest.alone(name, () =>
    converge(
      async () => ((await rest.delete(`${layerPath(name)}?recurse=true`, signal)) ? 'removed' : 'unchanged'),
      signal,
    ),
  );
}

async function read(rest: Rest, name: Qualified, signal: AbortSignal): Promise<unknown> {
  return at(await rest.getJson(`${layerPath(name)}?quietOnNotFound=true`, signal), 'wmsLayer');
}

async function create(rest: Rest, wanted: WmsLayer, signal: AbortSignal): Promise<void> {
  const parent = path`/rest/workspaces/${wanted.workspace}/wmsstores/${wanted.store}/wmslayers`;
  const write = { method: 'POST', path: parent, json: { wmsLayer: bodyOf(undefined, wanted) } } as const;
  try {
    await rest.write(write, signal);
  } catch (error) {
    // It may be new on the remote server, whose answer GeoServer keeps.
    if (!(error instanceof GeoServerError && error.says(UNKNOWN_LAYER))) throw error;
    await refreshCapabilities(rest, { workspace: wanted.workspace, name: wanted.store }, signal);
    await rest.write(write, signal);
  }
}

/**
 * Writes through the workspace: a PUT through the store always fails for a remote layer that has a style. Where this
 * way fails too, which happens to layers that GeoServer itself has broken, the layer is made anew; before that the
 * remote server has to be there and to offer it.
 */
async function update(rest: Rest, current: unknown, wanted: WmsLayer, signal: AbortSignal): Promise<void> {
  const store = qualify({ ...wanted, name: wanted.store });
  const move =
    text(at(current, 'store', 'name')) === store ? {} : { store: { '@class': 'wmsStore', name: store } };
  const json = { wmsLayer: { ...bodyOf(current, wanted), ...move } };
  const write = { method: 'PUT', path: layerPath(wanted), json } as const;
  try {
    await rest.write(write, signal);
  } catch (error) {
    if (!(error instanceof GeoServerError && error.status === 500)) throw error;
    rest.log.warn('WMS layer cannot be updated in place', { layer: qualify(wanted), cause: error.message });
    await checkOffered(rest, wanted, signal);
    await replace(rest, wanted, signal);
  }
}

/** Refused by GeoServer for members of layer groups, before anything is deleted. */
async function replace(rest: Rest, wanted: WmsLayer, signal: AbortSignal): Promise<void> {
  await rest.delete(`${layerPath(wanted)}?recurse=true`, signal);
  await create(rest, wanted, signal);
}

/** GeoServer lets a layer point to a remote layer that does not exist, and cannot be talked out of it again. */
async function checkOffered(rest: Rest, wanted: WmsLayer, signal: AbortSignal): Promise<void> {
  const store = { workspace: wanted.workspace, name: wanted.store };
  await refreshCapabilities(rest, store, signal);
  const address = path`/rest/workspaces/${store.workspace}/wmsstores/${store.name}/wmslayers.json`;
  const free = listOfTexts(at(await rest.getJson(`${address}?list=available`, signal), 'list', 'string'));
  if (free.includes(wanted.nativeName) || (await isUsed(rest, wanted, signal))) return;
  throw new AgentError(
    'missing-at-source',
    `the remote server of WMS store ${qualify(store)} has no layer ${wanted.nativeName}`,
    { retry: 'remote' },
  );
}

/** The list of available layers leaves out those that are published already. */
async function isUsed(rest: Rest, wanted: WmsLayer, signal: AbortSignal): Promise<boolean> {
  const { workspace } = wanted;
  for (const name of (await listWmsLayers(rest, { workspace, name: wanted.store }, signal)) ?? []) {
    const layer = await rest.getJson(layerPath({ workspace, name }), signal);
    if (at(layer, 'wmsLayer', 'nativeName') === wanted.nativeName) return true;
  }
  return false;
}

/** The marker says that the server's keywords, which replace empty ones at creation, are the result of our write. */
function isSame(current: unknown, wanted: WmsLayer): boolean {
  const keywords = listOfTexts(at(current, 'keywords', 'string'));
  return (
    at(current, 'enabled') === true &&
    at(current, 'nativeName') === wanted.nativeName &&
    text(at(current, 'title')) === wanted.title &&
    text(at(current, 'abstract')) === wanted.abstract &&
    (wanted.keywords.length === 0 || sameList(keywords, wanted.keywords)) &&
    (wanted.srs === undefined || at(current, 'srs') === wanted.srs) &&
    (wanted.nativeBox === undefined ||
      sameBox(fromJson(at(current, 'nativeBoundingBox')), wanted.nativeBox)) &&
    (wanted.latLonBox === undefined ||
      sameBox(fromJson(at(current, 'latLonBoundingBox')), wanted.latLonBox)) &&
    entries(at(current, 'metadata')).get(MARKER) === markerOf(wanted)
  );
}

/** Every field of ours; `enabled` too, without which a write through the workspace switches the layer off. */
function bodyOf(current: unknown, wanted: WmsLayer): object {
  const others = list(at(current, 'metadata', 'entry')).filter((entry) => at(entry, '@key') !== MARKER);
  const own = list(toEntries([[MARKER, markerOf(wanted)]])['entry']);
  return {
    name: wanted.name,
    nativeName: wanted.nativeName,
    title: wanted.title,
    abstract: wanted.abstract,
    keywords: wanted.keywords.length === 0 ? {} : { string: wanted.keywords },
    enabled: true,
    ...(wanted.srs === undefined ? {} : { srs: wanted.srs }),
    ...(wanted.nativeBox === undefined
      ? {}
      : { nativeBoundingBox: toJson(wanted.nativeBox, wanted.srs ?? LAT_LON) }),
    ...(wanted.latLonBox === undefined ? {} : { latLonBoundingBox: toJson(wanted.latLonBox, LAT_LON) }),
    metadata: { entry: [...others, ...own] },
  };
}

function markerOf(wanted: WmsLayer): string {
  const { workspace, store, name, nativeName, title, abstract, keywords, srs, nativeBox, latLonBox } = wanted;
  return digest({ workspace, store, name, nativeName, title, abstract, keywords, srs, nativeBox, latLonBox });
}

function layerPath({ workspace, name }: Qualified): string {
  return path`/rest/workspaces/${workspace}/wmslayers/${name}.json`;
}
