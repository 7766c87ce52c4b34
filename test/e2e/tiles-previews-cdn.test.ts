import { expect } from 'chai';
import { readFile, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Recorded } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { statusOf, succeeds, taskFile } from './master.js';

const TOKEN = 'token-of-the-cdn';
const CACHED = { create_cache_layer: true, server_cache_expire: 60, client_cache_expire: 30 };

interface Purge {
  readonly method: string;
  readonly path: string;
  readonly soft: string;
  /** Requests that GeoServer had seen by then. */
  readonly after: number;
}

describe('tiles, previews and the CDN', function () {
  this.timeout(240_000);
  let rig: Rig;
  let requests: Recorded[];
  let previews: string;
  let initial: TaskFiles;
  const purges: Purge[] = [];
  let failures = 2;
  const cdn = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    purges.push({ method, path: url, soft: String(headers['fastly-soft-purge']), after: requests.length });
    failures -= 1;
    response.statusCode = failures >= 0 ? 503 : 200;
    // A careless server, which repeats what it was told.
    response.end(`purge with ${String(headers['fastly-key'])}`);
  });

  before(async function () {
    await new Promise<void>((resolve) => cdn.listen(0, '127.0.0.1', resolve));
    const { port } = cdn.address() as AddressInfo;
    rig = await makeRig({
      env: {
        ON_FAILURE: 'accept',
        LOG_LEVEL: 'debug',
        FASTLY_PURGE_URL: `http://127.0.0.1:${port}/service/{}/purge/{{}}`,
        FASTLY_SERVICEID: 'maps',
        FASTLY_API_TOKEN: TOKEN,
        FASTLY_SURROGATE_KEY: '{}:{},all-{}',
        FASTLY_SOFT_PURGE: 'true',
      },
    });
    if (rig.geoserver.standIn === undefined) this.skip();
    ({ requests } = rig.geoserver.standIn);
    previews = join(rig.dataRoot, 'previews');
    succeeds(await rig.cli('init'));
  });
  after(async () => {
    await rig.close();
    cdn.close();
    cdn.closeAllConnections();
  });

  const points = (count: number, more = ''): string =>
    `SELECT id, 'n' AS name ${more}, ST_SetSRID(ST_Point(114 + id % 2, -32), 4326) AS wkb_geometry FROM generate_series(1, ${count}) id`;
  const feature = (
    name: string,
    rows: string,
    meta: Readonly<Record<string, unknown>> = {},
    setting: object = CACHED,
  ): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: 'ws1', name, rows, styles: { builtin: pointStyle(name) } },
      meta: { geoserver_setting: setting, preview_path: rig.remote + previews, ...meta },
    });
  const tileLayer = (name: string): Promise<{ status: number; body: string }> =>
    rig.geoserver.request('GET', `/gwc/rest/layers/ws1:${name}.xml`);
  const emptied = (): string[] =>
    requests
      .filter(({ path }) => path.includes('masstruncate'))
      .map(({ body }) => /<layerName>(.*)<\/layerName>/.exec(body)?.[1] ?? '')
      .toSorted();
  const clear = (): void => {
    requests.length = 0;
    purges.length = 0;
  };

  it('a first publication: tile layers, pictures on the master, purges after the last change', async () => {
    const link = (path: string): string => `https://maps.example.org/geoserver${path}`;
    const map =
      '/ows?service=WMS&request=GetMap&version=1.1.0&layers=ws1:roads&srs=EPSG:4326&bbox=114,-33,116,-31';
    initial = {
      ...workspaceFiles('ws1'),
      ...(await feature('roads', points(4), {
        ows_resource: [
          { protocol: 'OGC:WMS', link: link('/rest/workspaces.json'), format: 'image/png', height: 1 },
          { protocol: 'OGC:WMS', link: link('/x/../rest/about/version.json?request=GetMap'), height: 2 },
          { protocol: 'OGC:WMS', link: link(`${map}&width=60&height=40`), format: 'image/png', height: '40' },
          { protocol: 'OGC:WMS', link: link(`${map}&width=30&height=20`), format: 'image/png', height: 20 },
          { protocol: 'OGC:WFS', link: link(`${map}&width=3&height=2`), format: 'image/png', height: 2 },
        ],
      })),
      // Neither has anything to draw in a box of its own.
      ...(await feature('trees', points(1), { bbox: [114, -32, 114, -32] }, { create_cache_layer: false })),
      ...(await feature('rivers', points(0), {}, {})),
      ...(await feature('lakes', points(2), { bbox: [110, -36, 120, -30], override_bbox: true })),
      ...(await feature('parks', points(3))),
      ...(await feature('plain', 'SELECT 1 AS id', { crs: null, spatial_column: null })),
      'dpaw/layergroups/ws1.g.json': JSON.stringify({
        ...{ workspace: 'ws1', name: 'g', channel: 'dpaw', geoserver_setting: CACHED },
        layers: ['roads', 'parks'].map((name) => ({ type: 'publish', name, workspace: 'ws1' })),
      }),
    };
    await rig.commit(initial);
    const { stdout, stderr } = succeeds(await rig.pull());
    expect(stdout).to.match(/8 done, 0 failed/);
    expect(stdout + stderr).to.not.include(TOKEN);

    const { body } = await tileLayer('roads');
    const values = ['<int>1</int>', '<gutter>100</gutter>', 'image/png', 'image/jpeg', 'STYLES'];
    const expiry = ['<expireCache>60</expireCache>', '<expireClients>30</expireClients>'];
    for (const part of [...values, ...expiry, '<gridSetName>gda94<', '<gridSetName>mercator<'])
      expect(body).to.include(part);
    expect(body).to.not.include('EPSG:');
    for (const name of ['trees', 'rivers']) expect((await tileLayer(name)).status, name).to.equal(404);
    expect(await rig.geoserver.getJson('/gwc/rest/gridsets.json')).to.include.members(['gda94', 'mercator']);
    expect(emptied()).to.deep.equal([]);

    const drawn = await readdir(join(previews, 'rig/dpaw/ws1'));
    // A table without geometry has no picture, and a group no place for one.
    expect(drawn.toSorted()).to.deep.equal([
      'lakes.png',
      'parks.png',
      'rivers.png',
      'roads.png',
      'trees.png',
    ]);
    const { width, height } = PNG.sync.read(await readFile(join(previews, 'rig/dpaw/ws1/roads.png')));
    expect({ width, height }).to.deep.equal({ width: 30, height: 20 });
    const asked = requests.map(({ path }) => path);
    expect(
      asked.filter((path) => /rest\/(workspaces\.json|about\/version\.json\?)/.test(path)),
    ).to.deep.equal([]);

    const keys = ['roads', 'trees', 'rivers', 'lakes', 'parks', 'plain', 'g'].flatMap((name) => [
      `ws1:${name}`,
    ]);
    const paths = purges.map(({ path }) => path);
    for (const key of keys) expect(paths).to.include(`/service/maps/purge/${key}`);
    expect(paths).to.include('/service/maps/purge/all-ws1');
    for (const { method, soft } of purges) expect([method, soft]).to.deep.equal(['POST', '1']);
    const lastWrite = requests.findLastIndex(
      ({ method, path }) => method !== 'GET' && path.includes('roads'),
    );
    const firstPurge = purges.find(({ path }) => path.endsWith('ws1:roads'));
    expect(firstPurge?.after).to.be.greaterThan(lastWrite);
  });

  it('tiles are emptied for new rows, columns and boxes, in groups too, and for nothing else', async () => {
    clear();
    failures = 0;
    await rig.commit({
      ...(await feature('roads', points(8))),
      ...(await feature('lakes', points(2), { bbox: [110, -36, 121, -30], override_bbox: true })),
      [taskFile('parks')]: `${initial[taskFile('parks')] ?? ''}\n`,
      'dpaw/layergroups/ws1.g.json': `${initial['dpaw/layergroups/ws1.g.json'] ?? ''}\n`,
    });
    succeeds(await rig.pull());
    expect(emptied()).to.deep.equal(['ws1:g', 'ws1:lakes', 'ws1:roads']);
    clear();
    await rig.commit(await feature('parks', points(3, ', 1 AS area')));
    succeeds(await rig.pull());
    expect(emptied()).to.deep.equal(['ws1:g', 'ws1:parks']);
    // What the network fetches of the group from now on is new: nothing of it is emptied after its last purge.
    const lastEmptied = requests.findLastIndex(({ path }) => path.includes('masstruncate'));
    expect(purges.findLast(({ path }) => path.endsWith('ws1:g'))?.after).to.be.greaterThan(lastEmptied);
  });

  it('a CDN that refuses fails the job, and is asked again; previews on a shared disk are not sent', async () => {
    await rig.configure({ SHARE_PREVIEW_DATA: 'true' });
    clear();
    failures = 1_000;
    await rm(join(previews, 'rig/dpaw/ws1/roads.png'));
    await rig.commit({
      ...(await feature('roads', points(9))),
      'dpaw/layers/ws1.parks.empty_gwc.json': JSON.stringify({
        workspace: 'ws1',
        name: 'parks',
        action: 'empty_gwc',
      }),
    });
    const { stdout, stderr } = succeeds(await rig.pull());
    const row = (await statusOf(rig)).get(taskFile('roads'));
    expect(row?.failure).to.include({ reason: 'http-status', retry: 'transient' });
    expect(row?.targets['cdn']).to.equal('failed');
    expect(JSON.stringify(row) + stdout + stderr).to.not.include(TOKEN);
    expect(emptied()).to.deep.equal(['ws1:g', 'ws1:g', 'ws1:parks', 'ws1:roads']);
    clear();
    failures = 0;
    succeeds(await rig.cli('sync'));
    expect(purges.map(({ path }) => path)).to.include('/service/maps/purge/ws1:roads');
    expect(requests.filter(({ method }) => method !== 'GET')).to.deep.equal([]);
    expect(await readdir(join(previews, 'rig/dpaw/ws1'))).to.not.include('roads.png');
    expect(await readdir(join(rig.clone, 'code/previews/rig/dpaw/ws1'))).to.include('roads.png');
  });

  it("a group's picture shows the box of its members", async () => {
    clear();
    const group = JSON.parse(initial['dpaw/layergroups/ws1.g.json'] ?? '') as object;
    const pictured = { ...group, name: 'pictured', preview_path: rig.remote + previews };
    await rig.commit({ 'dpaw/layergroups/ws1.pictured.json': JSON.stringify(pictured) });
    succeeds(await rig.pull());
    const box = (await rig.geoserver.getJson('/rest/workspaces/ws1/layergroups/pictured.json')) as {
      layerGroup: { bounds: Record<'minx' | 'miny' | 'maxx' | 'maxy', number> };
    };
    const asked = requests.map(({ path }) => path).filter((path) => path.startsWith('/ows'));
    expect(asked).to.have.length(1);
    const drawn = new URLSearchParams(asked[0]?.split('?')[1]).get('bbox')?.split(',').map(Number) ?? [];
    const { minx, maxx, miny, maxy } = box.layerGroup.bounds;
    expect(drawn[0]).to.be.closeTo(minx, 1);
    expect(drawn[2]).to.be.closeTo(maxx, 1);
    expect((drawn[1] ?? 0) + (drawn[3] ?? 0)).to.be.closeTo(miny + maxy, 0.001);
  });
});
