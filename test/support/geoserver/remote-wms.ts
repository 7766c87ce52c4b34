import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PNG } from 'pngjs';
import { buildXml } from '../../../src/geoserver/xml.js';

export interface RemoteWms {
  /** Its GetCapabilities. */
  readonly url: string;
  /** What it offers; may be changed. */
  readonly layers: Set<string>;
  close(): Promise<void>;
}

/** A remote WMS server to cascade: WMS 1.1.1 capabilities with named, styled layers, and a map that is one grey square. */
export async function startRemoteWms(...layers: readonly string[]): Promise<RemoteWms> {
  const offered = new Set(layers);
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://remote').searchParams;
    const map = query.get('request') === 'GetMap' || query.get('REQUEST') === 'GetMap';
    response.setHeader('Content-Type', map ? 'image/png' : 'application/vnd.ogc.wms_xml');
    response.end(map ? drawn() : capabilities(`http://${request.headers.host ?? ''}/wms?`, offered));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/wms?service=WMS&request=GetCapabilities&version=1.1.1`,
    layers: offered,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function capabilities(url: string, layers: Iterable<string>): string {
  const resource = {
    OnlineResource: { '@_xmlns:xlink': 'http://www.w3.org/1999/xlink', '@_xlink:href': url },
  };
  const operation = (format: string): object => ({ Format: format, DCPType: { HTTP: { Get: resource } } });
  const box = { '@_minx': 114, '@_miny': -36, '@_maxx': 125, '@_maxy': -25 };
  const legend = { '@_width': 20, '@_height': 20, Format: 'image/png', ...resource };
  return buildXml({
    WMT_MS_Capabilities: {
      '@_version': '1.1.1',
      Service: { Name: 'OGC:WMS', Title: 'Remote', ...resource },
      Capability: {
        Request: {
          GetCapabilities: operation('application/vnd.ogc.wms_xml'),
          GetMap: operation('image/png'),
        },
        Exception: { Format: 'application/vnd.ogc.se_xml' },
        Layer: {
          Title: 'Remote',
          SRS: 'EPSG:4326',
          LatLonBoundingBox: box,
          Layer: [...layers].map((name) => ({
            Name: name,
            Title: `Remote ${name}`,
            Abstract: 'From afar',
            KeywordList: { Keyword: ['remote'] },
            SRS: 'EPSG:4326',
            LatLonBoundingBox: box,
            BoundingBox: { '@_SRS': 'EPSG:4326', ...box },
            Style: { Name: 'grey', Title: 'Grey', LegendURL: legend },
          })),
        },
      },
    },
  });
}

function drawn(): Buffer {
  const image = new PNG({ width: 64, height: 64 });
  image.data.fill(0x80);
  return PNG.sync.write(image);
}
