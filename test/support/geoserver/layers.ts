import { at, list, record, text } from '../../../src/geoserver/json.js';
import type { Catalog, Resource } from './catalog.js';
import { collapse, json, nameList, ok, RestException, type Reply } from './replies.js';
import { bodyOf, type Router } from './router.js';

const BUILT_IN = ['polygon', 'line', 'point', 'generic', 'raster'];

/** Styles that do not exist are dropped without a word. */
export function layers(router: Router, catalog: Catalog): void {
  router.on('GET', '/rest/layers', () =>
    nameList(
      'layers',
      'layer',
      [...catalog.workspaces.values()].flatMap(({ name, resources }) =>
        [...resources.keys()]
          .map((layer) => `${name}:${layer}`)
          .filter((layer) => catalog.layer(layer) !== undefined),
      ),
    ),
  );
  router.on('GET', '/rest/layers/:layer', ({ names: [name = ''] }) => show(catalog, name));
  router.on('GET', '/rest/workspaces/:ws/layers/:layer', ({ names: [ws = '', name = ''] }) =>
    show(catalog, `${ws}:${name}`),
  );

  router.on('PUT', '/rest/layers/:layer', (call) => {
    const [name = ''] = call.names;
    const resource = catalog.layer(name);
    if (resource === undefined)
      throw new RestException(
        500,
        'Cannot invoke "org.geoserver.catalog.LayerInfo.getResource()" because "original" is null',
      );
    const given = bodyOf(call, 'layer');
    const wanted = text(at(given, 'defaultStyle', 'name'));
    if (exists(catalog, wanted)) {
      if (resource.layer.defaultStyle !== wanted) catalog.cached.delete(name);
      resource.layer.defaultStyle = wanted;
    }
    if (given['styles'] !== undefined) {
      const names = list(at(given, 'styles', 'style')).map((style) => text(at(style, 'name')));
      // A set: in no particular order.
      resource.layer.styles = [...new Set(names)].filter((style) => exists(catalog, style)).reverse();
    }
    return ok();
  });

  router.on('DELETE', '/rest/layers/:layer', ({ names: [name = ''], query }) => {
    const found = catalog.find(name);
    if (found === undefined || catalog.layer(name) === undefined) throw new RestException(404, name);
    if (query.get('recurse') === 'true') catalog.removeResource(found.workspace, found.name);
    else catalog.removeLayer(name);
    return ok();
  });
}

function show(catalog: Catalog, name: string): Reply {
  const resource = catalog.layer(name);
  if (resource === undefined) throw new RestException(404, `No such layer: ${name}`);
  const { defaultStyle, styles } = resource.layer;
  return json({
    layer: {
      name: name.slice(name.indexOf(':') + 1),
      type: resource.type === 'featureType' ? 'VECTOR' : 'WMS',
      ...defaultOf(resource, defaultStyle),
      ...(styles.length === 0
        ? {}
        : { styles: { '@class': 'linked-hash-set', ...record(collapse(styles.map(reference), 'style')) } }),
      resource: { '@class': resource.type, name },
      attribution: { logoWidth: 0, logoHeight: 0 },
    },
  });
}

function defaultOf(resource: Resource, style: string | undefined): object {
  if (resource.type === 'wmsLayer') return { defaultStyle: { name: '' } };
  return style === undefined ? {} : { defaultStyle: reference(style) };
}

function reference(style: string): object {
  const colon = style.indexOf(':');
  return colon < 0 ? { name: style } : { name: style, workspace: style.slice(0, colon) };
}

function exists(catalog: Catalog, style: string): boolean {
  if (BUILT_IN.includes(style)) return true;
  const found = catalog.find(style);
  return found?.workspace.styles.has(found.name) === true;
}
