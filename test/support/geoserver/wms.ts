import { at, list, listOfTexts, text, type Json } from '../../../src/geoserver/json.js';
import { merge, without, type Catalog, type Resource, type Store, type Workspace } from './catalog.js';
import { addStore, encrypted, layersOf, removeStore, shown } from './data-stores.js';
import { collapse, created, json, nameList, ok, RestException, SendError } from './replies.js';
import { bodyOf, type Router } from './router.js';

const STORES = '/rest/workspaces/:ws/wmsstores';
const LAYERS = `${STORES}/:store/wmslayers`;
const LAYER = '/rest/workspaces/:ws/wmslayers/:layer';

/** Cascaded WMS. The remote server is asked for its layers once, and again only after its store was written. */
export function wms(router: Router, catalog: Catalog): void {
  const storeOf = (ws: string, name: string): Store => {
    const store = catalog.workspaces.get(ws)?.stores.get(name);
    if (store?.type !== 'wmsStore') throw new RestException(404, `No such wms store: ${ws},${name}`);
    return store;
  };
  const layerOf = (ws: string, name: string): Resource => {
    const resource = catalog.workspaces.get(ws)?.resources.get(name);
    if (resource?.type !== 'wmsLayer') throw new RestException(404, `No such cascaded wms: ${ws},${name}`);
    return resource;
  };

  router.on('POST', STORES, (call) => {
    const [ws = ''] = call.names;
    const given = bodyOf(call, 'wmsStore');
    const store = addStore(catalog, ws, 'wmsStore', text(given['name']));
    merge(store.fields, { enabled: true, type: 'WMS', ...given });
    return created(store.name);
  });

  router.on('GET', `${STORES}/:store`, ({ names: [ws = '', name = ''] }) => {
    const { fields } = storeOf(ws, name);
    const password = text(fields['password']) === '' ? {} : { password: encrypted() };
    return json({ wmsStore: { ...fields, ...password, ...shown(fields) } });
  });

  router.on('PUT', `${STORES}/:store`, (call) => {
    const [ws = '', name = ''] = call.names;
    const store = storeOf(ws, name);
    merge(store.fields, bodyOf(call, 'wmsStore'));
    store.capabilities = undefined;
    return ok();
  });

  router.on('DELETE', `${STORES}/:store`, ({ names: [ws = '', name = ''], query }) => {
    removeStore(catalog, ws, storeOf(ws, name), query.get('recurse') === 'true', 401);
    return ok();
  });

  router.on('GET', '/rest/workspaces/:ws/wmslayers', ({ names: [ws = ''] }) => {
    const { resources } = catalog.workspace(ws, `No such workspace: ${ws}`);
    const own = [...resources].filter(([, resource]) => resource.type === 'wmsLayer');
    return nameList(
      'wmsLayers',
      'wmsLayer',
      own.map(([name]) => name),
    );
  });

  router.on('GET', LAYERS, async ({ names: [ws = '', name = ''], query }) => {
    const workspace = catalog.workspace(ws, `Could not find workspace ${ws}`);
    const store = workspace.stores.get(name);
    if (store === undefined)
      throw new RestException(
        500,
        'Cannot invoke "org.geoserver.catalog.StoreInfo.getId()" because "store" is null',
      );
    const published = layersOf(workspace, store);
    if (query.get('list') !== 'available') return nameList('wmsLayers', 'wmsLayer', published);
    const used = published.map((layer) => text(workspace.resources.get(layer)?.fields['nativeName']));
    let remote: readonly string[];
    try {
      remote = await capabilities(store);
    } catch {
      throw new RestException(500, `Could not load wms store: ${name}`);
    }
    return json({ list: { string: remote.filter((layer) => !used.includes(layer)) } });
  });

  router.on('POST', LAYERS, async (call) => {
    const [ws = '', name = ''] = call.names;
    const workspace = catalog.workspace(ws, `Could not find workspace ${ws}`);
    const store = workspace.stores.get(name);
    if (store === undefined) throw new RestException(500, 'WMS store not set.');
    await add(catalog, workspace, store, bodyOf(call, 'wmsLayer'));
    return created(text(bodyOf(call, 'wmsLayer')['name']));
  });

  router.on('GET', LAYER, ({ names: [ws = '', name = ''] }) => {
    const { fields, store } = layerOf(ws, name);
    const words = listOfTexts(at(fields['keywords'], 'string'));
    const entries = list(at(fields['metadata'], 'entry'));
    return json({
      wmsLayer: {
        ...without(fields, 'keywords', 'metadata'),
        ...(words.length === 0 ? {} : { keywords: collapse(words, 'string') }),
        ...(entries.length === 0 ? {} : { metadata: collapse(entries, 'entry') }),
        store: { '@class': 'wmsStore', name: `${ws}:${store.name}` },
      },
    });
  });

  router.on('PUT', `${LAYERS}/:layer`, ({ names: [ws = '', , name = ''] }) => {
    layerOf(ws, name);
    throw new RestException(500, 'java.lang.UnsupportedOperationException');
  });

  router.on('PUT', LAYER, async (call) => {
    const [ws = '', name = ''] = call.names;
    const layer = layerOf(ws, name);
    const { fields, store } = layer;
    const given = bodyOf(call, 'wmsLayer');
    const remote = await capabilities(store);
    // Once it points nowhere it cannot be written any more.
    if (!remote.includes(text(fields['nativeName'])))
      throw new RestException(500, 'java.lang.reflect.InvocationTargetException');
    const moved = text(at(given, 'store', 'name')).replace(`${ws}:`, '');
    layer.store = catalog.workspaces.get(ws)?.stores.get(moved) ?? store;
    merge(fields, { enabled: false, ...without(given, 'store') });
    return ok();
  });

  router.on('DELETE', LAYER, ({ names: [ws = '', name = ''], query }) => {
    layerOf(ws, name);
    if (query.get('recurse') !== 'true') throw new SendError(403, 'layer in use');
    catalog.removeResource(catalog.workspace(ws, ''), name);
    return ok();
  });
}

async function add(catalog: Catalog, workspace: Workspace, store: Store, given: Json): Promise<void> {
  const name = text(given['name']);
  const nativeName = text(given['nativeName']);
  if (!(await capabilities(store)).includes(nativeName))
    throw new RestException(500, `Could not find layer ${nativeName} in the server capabilitiles document`);
  catalog.refuseDuplicate(workspace, store, name);
  const box = { minx: -180, maxx: 180, miny: -90, maxy: 90, crs: 'EPSG:4326' };
  const fields: Record<string, unknown> = {
    srs: 'EPSG:4326',
    nativeBoundingBox: box,
    latLonBoundingBox: box,
  };
  merge(fields, { enabled: true, ...given });
  // Without keywords of its own it takes those of the remote layer.
  if (listOfTexts(at(given, 'keywords', 'string')).length === 0) fields['keywords'] = { string: ['remote'] };
  const layer = { defaultStyle: undefined, styles: [] };
  workspace.resources.set(name, { type: 'wmsLayer', store, fields, attributes: [], layer });
  catalog.addTileLayer(`${workspace.name}:${name}`);
}

async function capabilities(store: Store): Promise<readonly string[]> {
  store.capabilities ??= await fetchLayers(text(store.fields['capabilitiesURL']));
  return store.capabilities;
}

async function fetchLayers(url: string): Promise<readonly string[]> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    const { hostname, port } = new URL(url);
    throw new RestException(500, `Connect to ${hostname}:${port} [/${hostname}] failed: Connection refused`);
  }
  if (!response.ok)
    throw new RestException(500, `Server returned HTTP error code ${response.status} for URL ${url}`);
  const document = await response.text();
  return [...document.matchAll(/<Layer[^>]*>\s*<Name>([^<]*)<\/Name>/g)].map(([, name]) => name ?? '');
}
