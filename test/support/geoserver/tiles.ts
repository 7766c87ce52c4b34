import { buildXml, find, parseXml, type XmlElement } from '../../../src/geoserver/xml.js';
import type { Catalog, TileLayer } from './catalog.js';
import { json, ok, plain, type Reply } from './replies.js';
import type { Call, Router } from './router.js';

/** GeoWebCache: tile layers, grid sets, truncation, and tiles that are stored when first asked for. */
export function tiles(router: Router, catalog: Catalog): void {
  router.on('GET', '/gwc/rest/gridsets', () => json([...catalog.gridSets.keys()]));

  router.on('GET', '/gwc/rest/gridsets/:name', ({ names: [name = ''] }) => {
    const body = catalog.gridSets.get(name);
    if (body !== undefined) return { status: 200, type: 'application/xml', body };
    return plain(404, `Failed to get GridSet. A GridSet with name "${name}" does not exist.`);
  });

  router.on('PUT', '/gwc/rest/gridsets/:name', ({ names: [name = ''], body }) => {
    const status = catalog.gridSets.has(name) ? 200 : 201;
    catalog.gridSets.set(name, body.toString('utf8'));
    return { status };
  });

  router.on('GET', '/gwc/rest/layers/:layer', ({ names: [name = ''] }) => {
    const layer = catalog.tileLayers.get(name);
    if (layer === undefined) return plain(404, `Unknown layer: ${name}`);
    return { status: 200, type: 'application/xml;charset=UTF-8', body: Buffer.from(xmlOf(name, layer)) };
  });

  for (const method of ['PUT', 'POST'])
    router.on(method, '/gwc/rest/layers/:layer', (call) => put(catalog, call));

  router.on('DELETE', '/gwc/rest/layers/:layer', ({ names: [name = ''] }) => {
    if (!catalog.tileLayers.has(name)) return plain(404, `Unknown layer: ${name}`);
    catalog.dropTiles(name);
    return plain(200, `${name} deleted`);
  });

  router.on('POST', '/gwc/rest/masstruncate', ({ headers, body }) => {
    if (headers['content-type'] !== 'text/xml')
      return plain(400, `Format extension unknown or not specified: ${headers['content-type'] ?? ''}`);
    const name = find(parseXml(body.toString('utf8')), 'layerName')?.text ?? '';
    const exception = 'org.geowebcache.rest.exception.RestException 400 BAD_REQUEST:';
    if (!catalog.tileLayers.has(name)) return plain(400, `${exception} Could not find layer ${name}`);
    catalog.cached.delete(name);
    return ok();
  });

  router.on('GET', '/gwc/service/wmts', () => {
    const lost = [...catalog.tileLayers.values()].some((layer) =>
      layer.gridSets.some((name) => !catalog.gridSets.has(name)),
    );
    const message = 'Cannot invoke "org.geowebcache.grid.GridSubset.getSRS()" because "gridSubset" is null';
    return lost
      ? plain(400, message)
      : { status: 200, type: 'text/xml', body: buildXml({ Capabilities: '' }) };
  });

  router.on('GET', '/gwc/service/wms', ({ query }) => {
    const name = query.get('layers') ?? '';
    if (!catalog.tileLayers.has(name)) return plain(400, `Unknown layer: ${name}`);
    const hit = catalog.cached.has(name);
    catalog.cached.add(name);
    return { status: 200, type: 'image/png', headers: { 'geowebcache-cache-result': hit ? 'HIT' : 'MISS' } };
  });
}

/** Creates or replaces; formats and grid sets are not checked. */
function put(catalog: Catalog, { method, headers, body }: Call): Reply {
  const type = headers['content-type'] ?? '';
  if (type.includes('json')) return plain(500, 'gridSetName');
  if (!/^(text|application)\/xml/.test(type)) return { status: 415 };
  let document: XmlElement;
  try {
    document = parseXml(body.toString('utf8'));
  } catch {
    return plain(500, '');
  }
  const value = (key: string): string => find(document, key)?.text ?? '';
  const name = value('name');
  if (catalog.layer(name) === undefined && catalog.group(name) === undefined)
    return plain(404, `GeoServer Layer or LayerGroup '${name}' not found`);
  if (method === 'POST' && !catalog.tileLayers.has(name))
    return plain(400, `Layer ${name} is not known by the configuration.`);
  const values = (key: string): readonly string[] =>
    find(document, key)?.children.map((child) => child.text) ?? [];
  const subsets = find(document, 'gridSubsets')?.children ?? [];
  catalog.tileLayers.set(name, {
    id: catalog.tileLayers.get(name)?.id ?? `LayerInfoImpl--${name}`,
    formats: values('mimeFormats'),
    gridSets: subsets.map((subset) => find(subset, 'gridSetName')?.text ?? '').reverse(),
    meta: values('metaWidthHeight'),
    gutter: value('gutter'),
    expireCache: value('expireCache'),
    expireClients: value('expireClients'),
    enabled: value('enabled'),
  });
  return plain(200, 'layer saved');
}

function xmlOf(name: string, layer: TileLayer): string {
  const { id, enabled, formats, gridSets, meta, gutter, expireCache, expireClients } = layer;
  return buildXml({
    GeoServerLayer: {
      id,
      enabled,
      inMemoryCached: true,
      name,
      mimeFormats: { string: formats },
      gridSubsets: { gridSubset: gridSets.map((gridSetName) => ({ gridSetName })) },
      metaWidthHeight: { int: meta },
      expireCache,
      expireClients,
      parameterFilters: { styleParameterFilter: { key: 'STYLES', defaultValue: '' } },
      gutter,
      cacheWarningSkips: '',
    },
  });
}
