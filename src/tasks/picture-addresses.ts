import type { OwsResource } from './layer.js';

const CONTEXT = '/geoserver';

/** GeoServer's services for maps and tiles, of the whole server or of one workspace. */
const PICTURE_PATH = /^\/(?:(?!(?:rest|web|gwc)\/)[^/]+\/)?(?:ows|wms)$|^\/gwc\/service\/(?:wms|wmts)$/;

/**
 * What follows `/geoserver` in the addresses, the smallest picture first. They are asked for with the administrator's
 * credentials, so only requests for a map or a tile count, and nothing of the REST interface.
 */
export function pictureAddresses(resources: readonly OwsResource[]): string[] {
  return resources
    .filter(({ protocol }) => protocol === 'OGC:WMS')
    .toSorted((a, b) => a.height - b.height)
    .flatMap(({ link }) => {
      const start = link.indexOf(CONTEXT);
      if (start < 0 || !URL.canParse(link.slice(start + CONTEXT.length), 'http://geoserver')) return [];
      const { host, pathname, search, searchParams } = new URL(
        link.slice(start + CONTEXT.length),
        'http://geoserver',
      );
      const request = [...searchParams].find(([key]) => key.toLowerCase() === 'request')?.[1];
      const isPicture = /^get(?:map|tile)$/i.test(request ?? '') && PICTURE_PATH.test(pathname);
      return host === 'geoserver' && isPicture ? [pathname + search] : [];
    });
}
