import { expect } from 'chai';
import { at, list, text } from '../../src/geoserver/json.js';
import { startGeoServer, type GeoServerStandIn } from '../support/geoserver/index.js';
import { startRemoteWms, type RemoteWms } from '../support/geoserver/remote-wms.js';
import { featureFiles, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { layerExists, statusOf, succeeds, taskFile } from './master.js';

const WORKSPACE = 'kinds';

const groupFile = (name: string): string => `dpaw/layergroups/${WORKSPACE}.${name}.json`;
const wmsStore = (remote: RemoteWms, name = 'w'): TaskFiles => ({
  [`dpaw/wms_stores/${WORKSPACE}.${name}.json`]: JSON.stringify({
    ...{ workspace: WORKSPACE, name, capability_url: remote.url },
  }),
});
const wmsLayer = (name: string, store = 'w'): TaskFiles => ({
  [`dpaw/wms_layers/${store}.${name}.json`]: JSON.stringify({
    ...{ workspace: WORKSPACE, name, store, native_name: 'src' },
  }),
});
/** A store of the master's own database. */
const liveStore = (rig: Rig, name = 'l'): TaskFiles => {
  const { host, port, name: database, user, password: passwd } = rig.masterDatabase;
  return {
    [`dpaw/live_stores/${WORKSPACE}.${name}.json`]: JSON.stringify({
      ...{ workspace: WORKSPACE, name, host, port, database, user, passwd, schema: 'live' },
    }),
  };
};
const liveLayer = (name: string, store = 'l'): TaskFiles => ({
  [`dpaw/live_layers/${WORKSPACE}.${name}.json`]: JSON.stringify({
    ...{ workspace: WORKSPACE, name, datastore: store, table: 't', bbox: [114, -33, 118, -31] },
  }),
});
const makeLiveTable = (rig: Rig): Promise<unknown> =>
  rig.masterDatabase.query(
    `CREATE SCHEMA live; CREATE TABLE live.t AS SELECT 1 AS id, ST_SetSRID(ST_Point(115, -32), 4326) AS wkb_geometry`,
  );
const group = (name: string, ...members: readonly (readonly [type: string, name: string])[]): TaskFiles => ({
  [groupFile(name)]: JSON.stringify({
    ...{ workspace: WORKSPACE, name },
    layers: members.map(([type, member]) => ({ type, name: member, workspace: WORKSPACE })),
  }),
});
const without = (files: TaskFiles): Record<string, null> =>
  Object.fromEntries(Object.keys(files).map((path) => [path, null]));

async function expectAllDone(rig: Rig): Promise<void> {
  for (const [path, { state, failure }] of await statusOf(rig))
    expect(state, `${path} ${failure?.message}`).to.equal('done');
}

describe('what changes its kind', function () {
  this.timeout(240_000);
  let rig: Rig;
  let remote: RemoteWms;
  const removeWorkspaces = (): Promise<unknown> =>
    Promise.all(
      [WORKSPACE, 'elsewhere'].map((name) =>
        rig.geoserver.request('DELETE', `/rest/workspaces/${name}.json?recurse=true`),
      ),
    );
  before(async () => {
    [rig, remote] = await Promise.all([
      makeRig({ env: { ON_FAILURE: 'accept', ALLOW_LOOPBACK_WMS: 'true' } }),
      startRemoteWms('src'),
    ]);
    await removeWorkspaces();
    await makeLiveTable(rig);
    succeeds(await rig.cli('init'));
    await rig.commit({
      ...workspaceFiles(WORKSPACE),
      ...wmsStore(remote),
      ...liveStore(rig),
      ...(await feature('kept')),
    });
    succeeds(await rig.pull());
  });
  after(async () => {
    await removeWorkspaces();
    await remote.close();
    await rig.close();
  });

  const feature = (name: string, task: Readonly<Record<string, unknown>> = {}): Promise<TaskFiles> =>
    featureFiles(rig, { workspace: WORKSPACE, name, task });
  const placeOf = async (layer: string): Promise<string> => {
    const get = async (path: string): Promise<unknown> =>
      rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/${path}/${layer}.json`);
    const cascaded = at(await get('wmslayers'), 'wmsLayer', 'store', 'name');
    if (cascaded !== undefined) return text(cascaded);
    for (const store of ['l', `${WORKSPACE}_ds`])
      if ((await get(`datastores/${store}/featuretypes`)) !== undefined) return `${WORKSPACE}:${store}`;
    return 'nowhere';
  };
  const members = async (name: string): Promise<string[]> =>
    list(
      at(
        await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/layergroups/${name}.json`),
        ...['layerGroup', 'publishables', 'published'],
      ),
    ).map((member) => text(at(member, 'name')).slice(WORKSPACE.length + 1));
  const tableExists = async (name: string, schema = `${WORKSPACE}_data`): Promise<boolean> => {
    const [row] = await rig.slaveDatabase.query<{ found: boolean }>(
      `SELECT to_regclass('${schema}.${name}') IS NOT NULL AS found`,
    );
    return row?.found === true;
  };

  it('a member of a group: WMS layer, live layer, feature, each in one pull', async () => {
    await rig.commit({
      ...wmsLayer('a'),
      ...group('g', ['wms_layer', 'a'], ['publish', 'kept']),
      ...group('only', ['wms_layer', 'a']),
    });
    succeeds(await rig.pull());
    expect(await placeOf('a')).to.equal(`${WORKSPACE}:w`);

    await rig.commit({
      ...without(wmsLayer('a')),
      ...liveLayer('a'),
      ...group('g', ['live_layer', 'a'], ['publish', 'kept']),
      ...group('only', ['live_layer', 'a']),
    });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect([await placeOf('a'), await members('g'), await members('only')]).to.deep.equal([
      `${WORKSPACE}:l`,
      ['a', 'kept'],
      ['a'],
    ]);

    await rig.commit({
      ...without(liveLayer('a')),
      ...(await feature('a')),
      ...group('g', ['publish', 'a'], ['publish', 'kept']),
      ...group('only', ['publish', 'a']),
    });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect([await placeOf('a'), await members('g'), await members('only')]).to.deep.equal([
      `${WORKSPACE}:${WORKSPACE}_ds`,
      ['a', 'kept'],
      ['a'],
    ]);
  });

  it('a layer that becomes a group, and the other way', async () => {
    await rig.commit(wmsLayer('b'));
    succeeds(await rig.pull());
    await rig.commit({ ...without(wmsLayer('b')), ...group('b', ['publish', 'kept']) });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect(await members('b')).to.deep.equal(['kept']);
    await rig.commit({ ...without(group('b')), ...wmsLayer('b') });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect([await members('b'), await placeOf('b')]).to.deep.equal([[], `${WORKSPACE}:w`]);
  });

  it('a store, with a layer that goes, one that comes, and one that stays', async () => {
    await rig.commit({
      ...liveStore(rig, 's'),
      ...liveLayer('goes', 's'),
      ...liveLayer('stays', 's'),
    });
    succeeds(await rig.pull());
    await rig.commit({
      ...without({ ...liveStore(rig, 's'), ...liveLayer('goes'), ...liveLayer('stays') }),
      ...wmsStore(remote, 's'),
      ...wmsLayer('comes', 's'),
      ...wmsLayer('stays', 's'),
    });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect(await Promise.all(['goes', 'comes', 'stays'].map(placeOf))).to.deep.equal([
      'nowhere',
      `${WORKSPACE}:s`,
      `${WORKSPACE}:s`,
    ]);
  });

  it('a layer that moves to another workspace keeps its table', async () => {
    const moved = await feature('moved');
    await rig.commit(moved);
    succeeds(await rig.pull());
    const inOther = Object.fromEntries(
      Object.entries(
        await featureFiles(rig, { workspace: WORKSPACE, name: 'moved', meta: { workspace: 'elsewhere' } }),
      ).map(([path, content]) => [path.replace(`${WORKSPACE}.`, 'elsewhere.'), content]),
    );
    await rig.commit({ ...workspaceFiles('elsewhere'), ...without(moved), ...inOther });
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect(await tableExists('moved')).to.equal(true);
    expect(await layerExists(rig, 'moved')).to.equal(false);
    expect(await layerExists(rig, 'moved', 'elsewhere')).to.equal(true);
    await rig.commit(without(inOther));
    succeeds(await rig.pull());
    expect([await tableExists('moved'), await layerExists(rig, 'moved', 'elsewhere')]).to.deep.equal([
      false,
      false,
    ]);
  });

  it('a part that is switched off stays, and goes when the task file is withdrawn', async () => {
    await rig.commit({ ...(await feature('table_off')), ...(await feature('layer_off')) });
    succeeds(await rig.pull());
    await rig.commit({
      ...(await feature('table_off', { sync_postgres_data: false })),
      ...(await feature('layer_off', { sync_geoserver_data: false })),
    });
    succeeds(await rig.pull());
    const there = () => Promise.all([tableExists('table_off'), layerExists(rig, 'layer_off', WORKSPACE)]);
    expect(await there()).to.deep.equal([true, true]);
    await rig.commit({ [taskFile('table_off', WORKSPACE)]: null, [taskFile('layer_off', WORKSPACE)]: null });
    succeeds(await rig.pull());
    expect(await there()).to.deep.equal([false, false]);
  });

  it('a table stays as long as a group still shows its layer', async () => {
    await rig.commit({
      ...(await feature('shown')),
      ...group('shows', ['publish', 'shown'], ['publish', 'kept']),
    });
    succeeds(await rig.pull());
    const files = group('shows', ['publish', 'kept'], ['publish', 'late']);
    await rig.commit({ [taskFile('shown', WORKSPACE)]: null, ...files });
    succeeds(await rig.pull());
    const status = await statusOf(rig);
    expect(status.get(groupFile('shows'))?.failure?.reason).to.equal('not-published-yet');
    expect([await members('shows'), await tableExists('shown')]).to.deep.equal([['shown', 'kept'], true]);
    await rig.commit(await feature('late'));
    succeeds(await rig.pull());
    await expectAllDone(rig);
    expect([await members('shows'), await tableExists('shown')]).to.deep.equal([['kept', 'late'], false]);
  });
});

describe('what changes its kind while GeoServer fails', function () {
  this.timeout(240_000);
  let rig: Rig;
  let remote: RemoteWms;
  let standIn: GeoServerStandIn;
  before(async () => {
    standIn = await startGeoServer();
    [rig, remote] = await Promise.all([
      makeRig({ env: { ON_FAILURE: 'accept', ALLOW_LOOPBACK_WMS: 'true', GEOSERVER_URL: standIn.url } }),
      startRemoteWms('src'),
    ]);
    await makeLiveTable(rig);
    succeeds(await rig.cli('init'));
    await rig.commit({ ...workspaceFiles(WORKSPACE), ...wmsStore(remote), ...liveStore(rig) });
    succeeds(await rig.pull());
  });
  after(async () => {
    await rig.close();
    await remote.close();
    await standIn.close();
  });

  for (const [what, before, path] of [
    ['WMS layer', () => Promise.resolve(wmsLayer('a')), 'dpaw/wms_layers/w.a.json'],
    ['feature', () => featureFiles(rig, { workspace: WORKSPACE, name: 'b' }), taskFile('b', WORKSPACE)],
  ] as const)
    it(`a ${what} stays as it was until it can be removed, and is a live layer then`, async () => {
      const files = await before();
      const name = what === 'feature' ? 'b' : 'a';
      await rig.commit(files);
      succeeds(await rig.pull());
      standIn.faults.push({ kind: 'status', status: 503, applies: ({ method }) => method === 'DELETE' });
      await rig.commit({ ...without(files), ...liveLayer(name) });
      succeeds(await rig.pull());
      expect(standIn.catalog.layer(`${WORKSPACE}:${name}`)).to.not.equal(undefined);
      const failed = await statusOf(rig);
      for (const file of [path, `dpaw/live_layers/${WORKSPACE}.${name}.json`])
        expect(failed.get(file)?.failure).to.include({ reason: 'http-status', retry: 'transient' });
      standIn.faults.length = 0;
      succeeds(await rig.cli('retry', `dpaw/live_layers/${WORKSPACE}.${name}.json`));
      succeeds(await rig.cli('poll', '--once'));
      await expectAllDone(rig);
      expect(JSON.stringify(standIn.catalog.layer(`${WORKSPACE}:${name}`))).to.not.equal(undefined);
      succeeds(await rig.cli('sync'));
      expect(standIn.catalog.layer(`${WORKSPACE}:${name}`)).to.not.equal(undefined);
    });
});
