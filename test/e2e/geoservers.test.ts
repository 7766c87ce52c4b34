import { expect } from 'chai';
import { startGeoServer, type GeoServerStandIn } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { statusOf, succeeds, taskFile } from './master.js';

describe('several GeoServers', function () {
  this.timeout(240_000);
  let rig: Rig;
  let first: GeoServerStandIn;
  let second: GeoServerStandIn;

  const begin = async (sharing: boolean): Promise<void> => {
    first = await startGeoServer();
    second = await startGeoServer(sharing ? { sharesDataOf: first } : { password: 'other' });
    rig = await makeRig({
      env: {
        GEOSERVER_URL: `${first.url},${second.url}`,
        ON_FAILURE: 'accept',
        ...(sharing ? { GEOSERVER_SHARING_DATA_DIR: 'true' } : { GEOSERVER_PASSWORD: 'geoserver,other' }),
      },
    });
    succeeds(await rig.cli('init'));
  };
  afterEach(async () => {
    await rig.close();
    await Promise.all([first.close(), second.close()]);
  });

  const feature = (name: string, rows?: string): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: 'ws1', name, styles: { builtin: pointStyle(name) } },
      ...(rows === undefined ? {} : { rows }),
    });
  const points = (count: number): string =>
    `SELECT id, 'n' AS name, ST_SetSRID(ST_Point(114 + id % 2, -32), 4326) AS wkb_geometry FROM generate_series(1, ${count}) id`;
  const writes = (server: GeoServerStandIn): string[] =>
    server.requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);
  const clear = (): void => {
    first.requests.length = 0;
    second.requests.length = 0;
  };

  it('one that is down stops nothing on the other; later only its part is done', async () => {
    await begin(false);
    await rig.commit({ ...workspaceFiles('ws1'), ...(await feature('roads', points(4))) });
    succeeds(await rig.pull());
    for (const server of [first, second]) expect(server.catalog.layer('ws1:roads')).to.not.equal(undefined);

    await second.down();
    await rig.commit({ ...(await feature('roads', points(6))), ...(await feature('trees')) });
    clear();
    succeeds(await rig.pull());
    expect(first.catalog.layer('ws1:trees')).to.not.equal(undefined);
    expect(writes(first).filter((write) => write.includes('masstruncate'))).to.have.length(1);
    const status = await statusOf(rig);
    for (const name of ['roads', 'trees']) {
      const row = status.get(taskFile(name));
      expect(row?.failure).to.include({ reason: 'connection', retry: 'transient' });
      expect(row?.failure?.message).to.include(new URL(second.url).origin);
      expect(row?.targets).to.include({ [first.url]: 'done', [second.url]: 'failed' });
    }

    await second.up();
    clear();
    succeeds(await rig.cli('sync'));
    expect(first.requests.filter(({ path }) => !path.startsWith('/ows'))).to.deep.equal([]);
    expect(second.catalog.layer('ws1:trees')).to.not.equal(undefined);
    // The table was exchanged while this server was down: its tiles are old all the same.
    const emptied = second.requests.filter(({ path }) => path.includes('masstruncate'));
    expect(emptied.map(({ body }) => /<layerName>(.*)<\/layerName>/.exec(body)?.[1])).to.deep.equal([
      'ws1:roads',
    ]);
    for (const row of (await statusOf(rig)).values()) expect(row.state).to.equal('done');
  });

  it('that share a data directory: the first is written, the other read again once per run, and only after a change', async () => {
    await begin(true);
    await rig.commit({
      ...workspaceFiles('ws1'),
      ...(await feature('roads', points(4))),
      ...(await feature('trees')),
    });
    succeeds(await rig.pull());
    expect(writes(second)).to.deep.equal(['POST /rest/reload']);
    expect(second.catalog.layer('ws1:trees')).to.not.equal(undefined);

    // Only rows: nothing of the catalog.
    await rig.commit(await feature('roads', points(6)));
    clear();
    succeeds(await rig.pull());
    expect(writes(first).map((write) => write.split('?')[0])).to.deep.equal(['POST /gwc/rest/masstruncate']);
    expect(writes(second)).to.deep.equal([]);

    // It is down: the first is written all the same, and it is read again when it is back.
    await second.down();
    await rig.commit({ [taskFile('trees')]: null });
    succeeds(await rig.pull());
    expect(first.catalog.layer('ws1:trees')).to.equal(undefined);
    expect(second.catalog.layer('ws1:trees')).to.not.equal(undefined);
    await second.up();
    clear();
    succeeds(await rig.cli('sync'));
    expect(writes(first)).to.deep.equal([]);
    expect(writes(second)).to.deep.equal(['POST /rest/reload']);
    expect(second.catalog.layer('ws1:trees')).to.equal(undefined);

    // Published again before it is back: nothing is left to change on the first.
    await second.down();
    await rig.commit(await feature('parks', points(4)));
    succeeds(await rig.pull());
    await second.up();
    clear();
    await rig.commit(await feature('parks', points(4)));
    succeeds(await rig.pull());
    expect(writes(second)).to.deep.equal(['POST /rest/reload']);
    expect(second.catalog.layer('ws1:parks')).to.not.equal(undefined);
  });
});
