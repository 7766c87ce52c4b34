import { fromJson, sameBox, type Box } from '../../../src/geoserver/boxes.js';
import { at, list, listOfTexts, record, text, type Json } from '../../../src/geoserver/json.js';
import { merge, without, type Catalog, type Resource, type Store, type Workspace } from './catalog.js';
import { layersOf } from './data-stores.js';
import { collapse, json, nameList, ok, plain, RestException, SendError, type Reply } from './replies.js';
import { bodyOf, type Router } from './router.js';
import type { Relation, Table, Tables } from './tables.js';

const TYPES = '/rest/workspaces/:ws/datastores/:ds/featuretypes';
const NO_GEOMETRY: Box = { minx: 0, miny: 0, maxx: -1, maxy: -1 };

export function featureTypes(router: Router, catalog: Catalog, tables: Tables): void {
  router.on('GET', '/rest/workspaces/:ws/featuretypes', ({ names: [ws = ''] }) => {
    const { resources } = catalog.workspace(ws, `No such workspace: ${ws}`);
    const own = [...resources].filter(([, resource]) => resource.type === 'featureType');
    return nameList(
      'featureTypes',
      'featureType',
      own.map(([name]) => name),
    );
  });

  router.on('GET', TYPES, async ({ names: [ws = '', ds = ''], query }) => {
    const workspace = catalog.workspace(ws, `No such workspace: ${ws}`);
    const store = workspace.stores.get(ds);
    if (store === undefined)
      throw new RestException(
        500,
        'Cannot invoke "org.geoserver.catalog.StoreInfo.getId()" because "store" is null',
      );
    if (query.get('list') === 'all')
      return json({ list: { string: await namesIn(tables, workspace, store) } });
    return nameList('featureTypes', 'featureType', layersOf(workspace, store));
  });

  router.on('POST', TYPES, async (call) => {
    const [ws = '', ds = ''] = call.names;
    const workspace = catalog.workspaces.get(ws);
    const store = workspace?.stores.get(ds);
    if (workspace === undefined || store === undefined)
      throw new RestException(404, `No such data store: ${ws},${ds}`);
    await add(catalog, tables, workspace, store, bodyOf(call, 'featureType'));
    return plain(201, '');
  });

  router.on('GET', `${TYPES}/:ft`, ({ names: [ws = '', ds = '', ft = ''] }) =>
    show(find(catalog, ws, ft, `No such feature type: ${ws},${ds},${ft}`, ds), ws),
  );

  router.on('GET', '/rest/workspaces/:ws/featuretypes/:ft', ({ names: [ws = '', ft = ''] }) =>
    show(find(catalog, ws, ft, `No such feature type: ${ws},${ft}`), ws),
  );

  router.on('PUT', `${TYPES}/:ft`, async (call) => {
    const [ws = '', ds = '', ft = ''] = call.names;
    const resource = find(catalog, ws, ft, `No such feature type: ${ws},${ds},${ft}`, ds);
    const given = bodyOf(call, 'featureType');
    const workspace = catalog.workspace(ws, '');
    const renamed = text(given['name']) || ft;
    if (renamed !== ft) catalog.refuseDuplicate(workspace, resource.store, renamed);
    const moved = text(at(given, 'store', 'name')).replace(`${ws}:`, '');
    resource.store = workspace.stores.get(moved) ?? resource.store;
    await change(tables, resource, without(given, 'store'), call.query.get('recalculate') ?? '');
    workspace.resources.delete(ft);
    workspace.resources.set(renamed, resource);
    return ok();
  });

  for (const method of ['POST', 'PUT'])
    router.on(method, `${TYPES}/:ft/reset`, async ({ names: [ws = '', ds = '', ft = ''] }) => {
      const resource = find(catalog, ws, ft, `No such feature type: ${ws},${ds},${ft}`, ds);
      resource.attributes = (await tables.describe(resource.store, relationOf(resource.fields)))?.attributes;
      return ok();
    });

  router.on('DELETE', `${TYPES}/:ft`, ({ names: [ws = '', ds = '', ft = ''], query }) => {
    find(catalog, ws, ft, `No such feature type: ${ws},${ds},${ft}`, ds);
    if (query.get('recurse') !== 'true') throw new SendError(403, 'feature type referenced by layer(s)');
    catalog.removeResource(catalog.workspace(ws, ''), ft);
    return ok();
  });
}

/** What the database has now, and SQL views. */
async function namesIn(tables: Tables, workspace: Workspace, store: Store): Promise<readonly string[]> {
  const there = await tables.names(store).catch(() => {
    throw new RestException(404, `Could not load datastore: ${store.name}`);
  });
  const own = [...workspace.resources.values()].filter((resource) => resource.store === store);
  const unlisted = own.filter(({ fields }) => there === undefined || 'sql' in relationOf(fields));
  return [...(there ?? []), ...unlisted.map(({ fields }) => text(fields['nativeName']))];
}

async function add(
  catalog: Catalog,
  tables: Tables,
  workspace: Workspace,
  store: Store,
  given: Json,
): Promise<void> {
  const name = text(given['name']);
  if (name === '')
    throw new SendError(
      400,
      'Trying to create new feature type inside the store, but no feature type name was specified',
    );
  catalog.refuseDuplicate(workspace, store, name);
  const native = text(given['nativeName']) || name;
  const fields: Record<string, unknown> = {
    ...{ name, nativeName: native, title: native, projectionPolicy: 'FORCE_DECLARED' },
  };
  merge(fields, { ...given, enabled: true });
  if (listOfTexts(at(given, 'keywords', 'string')).length === 0)
    fields['keywords'] = { string: ['features', native] };
  const relation = relationOf(fields);
  const table = await tables.describe(store, relation).catch(() => {
    // A store that cannot be opened: that is all it says.
    throw new RestException(500, '');
  });
  if (table === undefined && 'sql' in relation)
    throw new RestException(500, 'Error occurred building feature type');
  if (table === undefined)
    throw new SendError(
      400,
      'Trying to create new feature type inside the store, but no attributes were specified',
    );
  fields['srs'] ??=
    table.geometry === undefined || table.geometry.srid === 0 ? 'EPSG:404000' : `EPSG:${table.geometry.srid}`;
  if (!isKnown(fields['srs']))
    throw new RestException(500, 'This is unexpected, the layer srs seems to be mis-configured');
  const resource: Resource = {
    type: 'featureType',
    ...{ store, fields, attributes: table.attributes },
    layer: { defaultStyle: table.geometry === undefined ? undefined : 'polygon', styles: [] },
  };
  await computeBoxes(
    tables,
    resource,
    table,
    fromJson(given['nativeBoundingBox']),
    fromJson(given['latLonBoundingBox']),
  );
  workspace.resources.set(name, resource);
  catalog.addTileLayer(`${workspace.name}:${name}`);
}

async function change(tables: Tables, resource: Resource, given: Json, recalculate: string): Promise<void> {
  const { fields, store } = resource;
  const before = { native: boxOf(fields, 'nativeBoundingBox'), latLon: boxOf(fields, 'latLonBoundingBox') };
  const srs = fields['srs'];
  if (given['srs'] !== undefined && !isKnown(given['srs']))
    throw new RestException(
      500,
      `Error while calculating native bounds for layer: FeatureTypeInfoImpl[${text(fields['name'])}]`,
    );
  merge(fields, given);
  // Any write reads the columns again; nothing is checked.
  const table = await tables.describe(store, relationOf(fields));
  resource.attributes = table?.attributes;
  if (table === undefined) return;
  const nativeChanged = !sameBox(before.native, boxOf(fields, 'nativeBoundingBox'));
  const latLonChanged = !sameBox(before.latLon, boxOf(fields, 'latLonBoundingBox'));
  const automatic = recalculate === '';
  const native = recalculate.includes('nativebbox') || (automatic && srs !== fields['srs']);
  const latLon =
    recalculate.includes('latlonbbox') || native || (automatic && nativeChanged && !latLonChanged);
  await computeBoxes(
    tables,
    resource,
    table,
    native ? undefined : boxOf(fields, 'nativeBoundingBox'),
    latLon ? undefined : boxOf(fields, 'latLonBoundingBox'),
  );
}

/** Boxes that are given are stored as they are, however absurd; the others come from the table or the other box. */
async function computeBoxes(
  tables: Tables,
  resource: Resource,
  table: Table,
  native: Box | undefined,
  latLon: Box | undefined,
): Promise<void> {
  const { fields, store } = resource;
  const srs = text(fields['srs']);
  const srid = Number(srs.replace('EPSG:', ''));
  const nativeBox = native ?? (await tables.box(store, relationOf(fields), table)) ?? NO_GEOMETRY;
  const empty = nativeBox.minx > nativeBox.maxx;
  const transformed = async (): Promise<Box> =>
    empty || isDegrees(srid) ? nativeBox : tables.transform(store, nativeBox, srid, 4326);
  const crs = isDegrees(srid) ? srs : { '@class': 'projected', $: srs };
  fields['nativeBoundingBox'] = { ...toJson(nativeBox), ...(srid === 404000 ? {} : { crs }) };
  fields['latLonBoundingBox'] = { ...toJson(latLon ?? (await transformed())), crs: 'EPSG:4326' };
}

function show(resource: Resource, ws: string): Reply {
  if (resource.attributes === undefined) throw new RestException(500, 'Could not get native attributes');
  const { fields, store } = resource;
  const words = listOfTexts(at(fields['keywords'], 'string'));
  const entries = list(at(fields['metadata'], 'entry')).map(withLineBreak);
  return json({
    featureType: {
      ...without(fields, 'keywords', 'metadata'),
      namespace: { name: ws },
      ...(words.length === 0 ? {} : { keywords: collapse(words, 'string') }),
      ...(entries.length === 0 ? {} : { metadata: collapse(entries, 'entry') }),
      store: { '@class': 'dataStore', name: `${ws}:${store.name}` },
      attributes: collapse(
        resource.attributes.map((attribute) => ({
          ...attribute,
          minOccurs: 0,
          maxOccurs: 1,
          nillable: true,
        })),
        'attribute',
      ),
    },
  });
}

/** The SQL of a view comes back with a line break at its end. */
function withLineBreak(entry: unknown): unknown {
  const table = at(entry, 'virtualTable');
  if (table === undefined) return entry;
  return {
    '@key': at(entry, '@key'),
    virtualTable: { ...record(table), sql: `${text(at(table, 'sql'))}\n` },
  };
}

function find(catalog: Catalog, ws: string, name: string, message: string, store?: string): Resource {
  const resource = catalog.workspaces.get(ws)?.resources.get(name);
  if (resource?.type !== 'featureType' || (store !== undefined && resource.store.name !== store))
    throw new RestException(404, message);
  return resource;
}

function relationOf(fields: Readonly<Record<string, unknown>>): Relation {
  const view = list(at(fields['metadata'], 'entry')).find(
    (entry) => at(entry, '@key') === 'JDBC_VIRTUAL_TABLE',
  );
  if (view !== undefined) return { sql: text(at(view, 'virtualTable', 'sql')) };
  return { table: text(fields['nativeName']) };
}

function boxOf(fields: Readonly<Record<string, unknown>>, key: string): Box | undefined {
  return fromJson(fields[key]);
}

function toJson({ minx, miny, maxx, maxy }: Box): object {
  return { minx, maxx, miny, maxy };
}

function isDegrees(srid: number): boolean {
  return srid === 4326 || srid === 4283 || srid === 404000;
}

function isKnown(srs: unknown): boolean {
  return /^EPSG:\d{4,6}$/.test(text(srs)) && srs !== 'EPSG:999999';
}
