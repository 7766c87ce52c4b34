import { expect } from 'chai';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/log.js';
import { Secret } from '../../src/lib/secret.js';
import { Database } from '../../src/pgdump/database.js';
import { startGeoServer, type GeoServerStandIn } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { CLI, makeRig, type Rig } from '../support/rig.js';
import { statusOf, succeeds, taskFile } from './master.js';

/** A column that changes its type and keeps its name: nothing that GeoServer shows of itself would tell. */
describe('columns that change behind a layer', function () {
  this.timeout(240_000);
  let rig: Rig;
  let first: GeoServerStandIn;
  let second: GeoServerStandIn;

  before(async () => {
    [first, second] = await Promise.all([startGeoServer(), startGeoServer()]);
    rig = await makeRig({
      env: { GEOSERVER_URL: `${first.url},${second.url}`, ON_FAILURE: 'accept' },
    });
    succeeds(await rig.cli('init'));
    await rig.commit({ ...workspaceFiles('ws1'), ...(await roads('integer', 4)) });
    succeeds(await rig.pull());
    expect(bindings()).to.deep.equal(['java.lang.Integer', 'java.lang.Integer']);
  });
  after(async () => {
    await rig.close();
    await Promise.all([first.close(), second.close()]);
  });

  const roads = (type: string, count: number): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: 'ws1', name: 'roads', styles: { builtin: pointStyle('roads') } },
      rows: `SELECT id, id::${type} AS size, ST_SetSRID(ST_Point(114 + id % 2, -32), 4326) AS wkb_geometry FROM generate_series(1, ${count}) id`,
    });
  /** What each server takes the column for. */
  const bindings = (): (string | undefined)[] =>
    [first, second].map(
      ({ catalog }) => catalog.layer('ws1:roads')?.attributes?.find(({ name }) => name === 'size')?.binding,
    );
  const readAgain = (server: GeoServerStandIn): number =>
    server.requests.filter(
      ({ method, path }) => method === 'PUT' && path.includes('/featuretypes/roads.json'),
    ).length;
  const clear = (): void => {
    for (const { requests } of [first, second]) requests.length = 0;
  };

  it('are read again by every server, once', async () => {
    clear();
    await rig.commit(await roads('text', 4));
    succeeds(await rig.pull());
    expect(bindings()).to.deep.equal(['java.lang.String', 'java.lang.String']);
    expect([readAgain(first), readAgain(second)]).to.deep.equal([1, 1]);
    clear();
    await rig.commit(await roads('text', 5));
    succeeds(await rig.pull());
    expect([readAgain(first), readAgain(second)], 'new rows only').to.deep.equal([0, 0]);
  });

  it('are read again by a server that was down, though new rows have come since', async () => {
    await second.down();
    await rig.commit(await roads('double precision', 5));
    succeeds(await rig.pull());
    await rig.commit(await roads('double precision', 6));
    succeeds(await rig.pull());
    expect(bindings()).to.deep.equal(['java.lang.Double', 'java.lang.String']);
    await second.up();
    clear();
    succeeds(await rig.cli('sync'));
    expect(bindings()).to.deep.equal(['java.lang.Double', 'java.lang.Double']);
    expect(readAgain(first), 'nothing is left to do there').to.equal(0);
    expect((await statusOf(rig)).get(taskFile('roads'))?.state).to.equal('done');
  });

  it('are read again after a kill between the exchange of the tables and the record of it', async () => {
    const files = await roads('bigint', 6);
    // All that a run which is killed there leaves behind: the new table, of which the record knows nothing.
    const { data } = JSON.parse(files[taskFile('roads')] ?? '') as { data: { file: string; md5: string } };
    const { host, port, name, user, password } = rig.slaveDatabase;
    const database = new Database(
      { host, port, database: name, user, password: new Secret(password), lockWaitMs: 10_000 },
      { log: silentLogger, clock: systemClock },
    );
    try {
      const exchanged = await database.publishTable(
        {
          ...{ schema: 'ws1', dataSchema: 'ws1_data', outdatedSchema: 'ws1_outdated', table: 'roads' },
          ...{ dumpPath: data.file.replace(rig.remote, ''), md5: data.md5, jobId: '1' },
        },
        new AbortController().signal,
      );
      expect(exchanged.columnsChanged).to.equal(true);
    } finally {
      await database.close();
    }
    expect(bindings()).to.deep.equal(['java.lang.Double', 'java.lang.Double']);
    await rig.commit(files);
    succeeds(await rig.pull());
    expect(bindings()).to.deep.equal(['java.lang.Long', 'java.lang.Long']);
  });

  it('are read again after a kill before a server was told, though new rows have come since', async () => {
    await rig.commit(await roads('text', 6));
    succeeds(await rig.exec('hg', 'pull', '--config', 'hooks.pretxnchangegroup.slave-sync='));
    const applies = ({ path }: { path: string }): boolean => path.includes('/featuretypes/roads');
    for (const { faults } of [first, second]) faults.push({ kind: 'hang', applies });
    clear();
    const killed = rig.exec('sh', '-c', `echo $$ > pid; exec "${process.execPath}" "${CLI}" sync`);
    await expectRequest(applies);
    const { stdout } = succeeds(await rig.exec('cat', 'pid'));
    process.kill(Number(stdout), 'SIGKILL');
    expect((await killed).code).to.not.equal(0);
    for (const { faults } of [first, second]) faults.length = 0;
    expect(bindings()).to.deep.equal(['java.lang.Long', 'java.lang.Long']);
    await rig.commit(await roads('text', 7));
    succeeds(await rig.pull());
    expect(bindings()).to.deep.equal(['java.lang.String', 'java.lang.String']);
  });

  async function expectRequest(applies: (request: { path: string }) => boolean): Promise<void> {
    const end = Date.now() + 60_000;
    while (!first.requests.some(applies) || !second.requests.some(applies)) {
      if (Date.now() > end) throw new Error('no server was told anything');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
