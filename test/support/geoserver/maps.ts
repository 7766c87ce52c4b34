import { PNG } from 'pngjs';
import type { Catalog, Resource } from './catalog.js';
import { json, type Reply } from './replies.js';
import type { Router } from './router.js';

const GEOMETRY_LESS = 'java.lang.NullPointerException';

/** WMS GetMap: a real image with one square on it, or an error that comes with status 200. */
export function maps(router: Router, catalog: Catalog): void {
  router.on('GET', '/ows', ({ query }) => {
    const name = query.get('layers') ?? '';
    const resource = catalog.layer(name);
    if (resource === undefined && catalog.group(name) === undefined)
      return exception('LayerNotDefined', `Could not find layer ${name}`);
    const [minx = 0, miny = 0, maxx = 0, maxy = 0] = (query.get('bbox') ?? '').split(',').map(Number);
    if (minx > maxx || miny > maxy)
      return exception('', `illegal bbox, minX: ${minx} is greater than maxX: ${maxx}`);
    if (minx === maxx || miny === maxy) return exception('', 'The request bounding box has zero area');
    if (resource?.type === 'featureType' && !hasGeometry(resource)) return exception('', GEOMETRY_LESS);
    return {
      status: 200,
      type: 'image/png',
      body: draw(Number(query.get('width')), Number(query.get('height'))),
    };
  });
}

function hasGeometry(resource: Resource): boolean {
  return resource.layer.defaultStyle !== undefined;
}

function exception(code: string, text: string): Reply {
  return json({
    version: '1.1.0',
    exceptions: [{ ...(code === '' ? {} : { code }), locator: 'noLocator', text }],
  });
}

function draw(width: number, height: number): Buffer {
  const image = new PNG({ width, height });
  image.data.fill(0xff);
  for (let y = 0; y < Math.min(8, height); y++)
    for (let x = 0; x < Math.min(8, width); x++) image.data.set([0xaa, 0xaa, 0xaa], (y * width + x) * 4);
  return PNG.sync.write(image);
}
