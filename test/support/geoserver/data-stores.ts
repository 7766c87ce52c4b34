import { randomBytes } from 'node:crypto';
import { at, entries, text, toEntries } from '../../../src/geoserver/json.js';
import { merge, type Catalog, type Store, type Workspace } from './catalog.js';
import { created, json, nameList, ok, RestException, SendError } from './replies.js';
import { bodyOf, type Router } from './router.js';
import type { Tables } from './tables.js';

const STORES = '/rest/workspaces/:ws/datastores';

/** Nothing is validated, and a password is never shown the same way twice. */
export function dataStores(router: Router, catalog: Catalog, tables: Tables): void {
  router.on('GET', STORES, ({ names: [ws = ''] }) => {
    const { stores } = catalog.workspace(ws, `No such workspace : ${ws}`);
    return nameList('dataStores', 'dataStore', namesOf(stores.values()));
  });

  router.on('POST', STORES, (call) => {
    const [ws = ''] = call.names;
    const given = bodyOf(call, 'dataStore');
    if (given['connectionParameters'] === undefined)
      throw new RestException(
        500,
        'Cannot invoke "java.util.Map.containsKey(Object)" because the return value of "org.geoserver.catalog.DataStoreInfo.getConnectionParameters()" is null',
      );
    const store = addStore(catalog, ws, 'dataStore', text(given['name']));
    merge(store.fields, { enabled: true, type: 'PostGIS', ...given });
    return created(store.name);
  });

  router.on('GET', `${STORES}/:ds`, ({ names: [ws = '', ds = ''] }) => {
    const { fields } = storeOf(catalog, ws, ds);
    const parameters = [...entries(fields['connectionParameters'])].map(
      ([key, value]) => [key, key === 'passwd' ? encrypted() : value] as const,
    );
    return json({ dataStore: { ...fields, ...shown(fields), connectionParameters: toEntries(parameters) } });
  });

  router.on('PUT', `${STORES}/:ds`, async (call) => {
    const [ws = '', ds = ''] = call.names;
    const store = storeOf(catalog, ws, ds);
    merge(store.fields, bodyOf(call, 'dataStore'));
    await tables.forget(store);
    return ok();
  });

  router.on('DELETE', `${STORES}/:ds`, async ({ names: [ws = '', ds = ''], query }) => {
    const store = storeOf(catalog, ws, ds);
    removeStore(catalog, ws, store, query.get('recurse') === 'true', 403);
    await tables.forget(store);
    return ok();
  });
}

/** Adds a store of either type; their names are one set in a workspace. */
export function addStore(catalog: Catalog, ws: string, type: Store['type'], name: string): Store {
  const workspace = catalog.workspaces.get(ws);
  if (workspace === undefined) throw new RestException(500, 'Store must be part of a workspace');
  if (workspace.stores.has(name))
    throw new RestException(500, `Store '${name}' already exists in workspace '${ws}'`);
  const store: Store = { type, name, fields: {} };
  workspace.stores.set(name, store);
  return store;
}

export function removeStore(
  catalog: Catalog,
  ws: string,
  store: Store,
  recurse: boolean,
  refusal: number,
): void {
  const workspace = catalog.workspace(ws, '');
  const layers = layersOf(workspace, store);
  if (layers.length > 0 && !recurse) throw new SendError(refusal, 'store not empty');
  for (const layer of layers) catalog.removeResource(workspace, layer);
  workspace.stores.delete(store.name);
}

export function layersOf(workspace: Workspace, store: Store): readonly string[] {
  return [...workspace.resources].filter(([, resource]) => resource.store === store).map(([name]) => name);
}

/** As GeoServer shows fields that need another form: a password, and metadata of one entry. */
export function shown(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const list = at(fields['metadata'], 'entry');
  const metadata =
    Array.isArray(list) && list.length === 1 ? { entry: (list as readonly unknown[])[0] } : undefined;
  return metadata === undefined ? {} : { metadata };
}

export function encrypted(): string {
  return `crypt1:${randomBytes(24).toString('base64')}`;
}

function storeOf(catalog: Catalog, ws: string, name: string): Store {
  const store = catalog.workspaces.get(ws)?.stores.get(name);
  if (store?.type !== 'dataStore') throw new RestException(404, `No such datastore: ${ws},${name}`);
  return store;
}

function namesOf(stores: Iterable<Store>): readonly string[] {
  return [...stores].filter((store) => store.type === 'dataStore').map((store) => store.name);
}
