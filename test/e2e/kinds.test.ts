import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRemoteWms, type RemoteWms } from '../support/geoserver/remote-wms.js';
import { makeRig, type Rig } from '../support/rig.js';
import {
  layerExists,
  makeTable,
  md5,
  publish,
  rowsOf,
  statusOf,
  styleFile,
  succeeds,
  taskFile,
} from './master.js';

const SETTING = { create_cache_layer: true, client_cache_expire: 0, server_cache_expire: 0 };

describe('every kind of task file', () => {
  let rig: Rig;
  let remote: RemoteWms;
  before(async () => {
    rig = await makeRig();
    remote = await startRemoteWms('src_a', 'src_b');
    succeeds(await rig.cli('init'));
    await makeTable(rig, 'roads', 10);
    await makeTable(rig, 'live', 10, 'live');
  });
  after(async () => {
    await remote.close();
    await rig.close();
  });

  /** A task file that refers to a meta file, as the master writes them. */
  async function withMeta(name: string, meta: Record<string, unknown>): Promise<string> {
    const content = JSON.stringify(meta);
    const file = join(rig.dataRoot, `${name}-${md5(content)}.meta.json`);
    await writeFile(file, content);
    return JSON.stringify({ action: 'publish', meta: { file: rig.remote + file, md5: md5(content) } });
  }

  async function sld(colour: string): Promise<{ file: string; md5: string }> {
    const file = await styleFile(colour);
    return { file: rig.remote + file, md5: md5(await readFile(file)) };
  }

  async function files(title: string, colour: string): Promise<Record<string, string>> {
    const { host, port, name, user, password } = rig.masterDatabase;
    const common = { workspace: 'ws1', channel: 'dpaw', auth_level: 1, geoserver_setting: SETTING };
    const group = { ...common, abstract: title, spatial_data: true, srs: 'EPSG:4326' };
    return {
      // The parent stands before its child, and both before their members.
      'dpaw/layergroups/ws1.a_parent.json': JSON.stringify({
        ...{ ...group, name: 'a_parent', title },
        layers: [
          { type: 'group', name: 'z_child', workspace: 'ws1' },
          { type: 'publish', name: 'roads', workspace: 'ws1' },
        ],
        dependent_groups: [{ name: 'z_child', workspace: 'ws1' }],
      }),
      'dpaw/layergroups/ws1.z_child.json': JSON.stringify({
        ...{ ...group, name: 'z_child', title },
        layers: [
          { type: 'wms_layer', name: 'wms_a', store: 'wstore', workspace: 'ws1' },
          { type: 'live_layer', name: 'live_e', workspace: 'ws1' },
        ],
      }),
      'dpaw/wms_stores/ws1.wstore.json': await withMeta('wstore', {
        ...{
          ...common,
          name: 'wstore',
          capability_url: remote.url,
          username: 'u',
          password: 'hidden-secret',
        },
        geoserver_setting: { max_connections: title.length, read_timeout: 61, connect_timeout: 31 },
      }),
      'dpaw/wms_layers/wstore.src_a.json': await withMeta('wms_a', {
        ...{ ...common, name: 'wms_a', native_name: 'src_a', store: 'wstore', title, keywords: ['k1', 'k2'] },
      }),
      'dpaw/live_stores/ws1.livedb.json': await withMeta('livedb', {
        ...{
          ...common,
          name: 'livedb',
          host,
          port,
          database: name,
          user,
          passwd: password,
          schema: 'live_data',
        },
        geoserver_setting: { 'max connections': '5' },
      }),
      'dpaw/live_layers/ws1.live_e.json': await withMeta('live_e', {
        ...{ ...common, name: 'live_e', datastore: 'livedb', table: 'live', schema: 'live_data', title },
        ...{ bbox: '[115.0, -33.0, 116.6, -32.0]', crs: 'EPSG:4326', default_style: 'alt' },
        styles: { alt: { ...(await sld(colour)), default: true } },
      }),
      'dpaw/live_layers/ws1.live_sql.json': await withMeta('live_sql', {
        ...{
          ...common,
          name: 'live_sql',
          datastore: 'livedb',
          title,
          bbox: [115, -33, 116.6, -32],
          crs: 'EPSG:4326',
        },
        ...{ viewsql: 'select id, name, wkb_geometry from live_data.live where id < 5;', styles: {} },
        ...{ spatial_column: 'wkb_geometry', spatial_type: 'Point' },
      }),
      'dpaw/layers.properties': `*.*.r=*\nws1.*.r=${title.replace(/\W/g, '_')}\n`,
      'slave_roles.sql': `/* ${title} */\n\\connect postgres\nDO $$BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname='kinds_role') THEN CREATE ROLE kinds_role; END IF; END$$;\n`,
    };
  }

  const titles = async (): Promise<unknown[]> => {
    const title = async (path: string, ...keys: string[]): Promise<unknown> => {
      let value: unknown = await rig.geoserver.getJson(path);
      for (const key of keys) value = (value as Record<string, unknown> | undefined)?.[key];
      return value;
    };
    const live = '/rest/workspaces/ws1/datastores/livedb/featuretypes';
    return Promise.all([
      title('/rest/workspaces/ws1/wmslayers/wms_a.json', 'wmsLayer', 'title'),
      title(`${live}/live_e.json`, 'featureType', 'title'),
      title(`${live}/live_sql.json`, 'featureType', 'title'),
      title('/rest/workspaces/ws1/layergroups/a_parent.json', 'layerGroup', 'title'),
      title('/rest/workspaces/ws1/layergroups/z_child.json', 'layerGroup', 'title'),
    ]);
  };
  const members = async (group: string): Promise<string[]> => {
    const json = (await rig.geoserver.getJson(`/rest/workspaces/ws1/layergroups/${group}.json`)) as {
      layerGroup: { publishables: { published: { name: string }[] | { name: string } } };
    };
    return [json.layerGroup.publishables.published].flat().map((member) => member.name);
  };

  it('all in one commit are applied by one pull, without a second try', async () => {
    await publish(rig, 'workspace', 'ws1');
    await publish(rig, 'feature', 'ws1', 'roads', '--style', `builtin=${await styleFile('#ff0000')}`);
    await rig.commit(await files('First', '#ff0000'));
    const { stdout } = succeeds(await rig.pull());
    expect(stdout).to.match(/11 done, 0 failed/);
    expect(await titles()).to.deep.equal(['First', 'First', 'First', 'First', 'First']);
    expect(await members('a_parent')).to.deep.equal(['ws1:z_child', 'ws1:roads']);
    expect(await members('z_child')).to.deep.equal(['ws1:wms_a', 'ws1:live_e']);
    expect(await rig.geoserver.getJson('/rest/security/acl/layers.json')).to.include({ 'ws1.*.r': 'First' });
    expect(
      await rig.slaveDatabase.query("SELECT 1 FROM pg_roles WHERE rolname = 'kinds_role'"),
    ).to.have.length(1);
    expect(await rowsOf(rig, 'ws1.roads')).to.equal(10);
  });

  it('a pull that changes nothing of GeoServer writes nothing and costs at most one GET per object', async function () {
    const { standIn } = rig.geoserver;
    if (standIn === undefined) this.skip();
    standIn.requests.length = 0;
    await rig.commit(
      Object.fromEntries(
        Object.entries(await files('First', '#ff0000')).map(([path, content]) => [path, `${content}\n`]),
      ),
    );
    succeeds(await rig.pull());
    const writes = standIn.requests.filter(
      (request) => request.method !== 'GET' && !request.path.includes('masstruncate'),
    );
    expect(writes.map((request) => `${request.method} ${request.path}`)).to.deep.equal([]);
    const reads = standIn.requests
      .filter((request) => request.method === 'GET')
      .map((request) => request.path);
    expect(reads.length).to.be.greaterThan(10);
    // Twice the same object would be once too often, in whatever form.
    const objects = reads.map((path) => path.split('?')[0]?.replace(/\.(json|xml|sld)$/, ''));
    const often = objects.filter((path, index) => objects.indexOf(path) !== index);
    expect(often, reads.join('\n')).to.deep.equal([]);
  });

  it('updates of all are made in place', async () => {
    await rig.commit(await files('Second', '#0000ff'));
    succeeds(await rig.pull());
    expect(await titles()).to.deep.equal(['Second', 'Second', 'Second', 'Second', 'Second']);
    expect(await rig.geoserver.getJson('/rest/security/acl/layers.json')).to.include({ 'ws1.*.r': 'Second' });
    const { body } = await rig.geoserver.request('GET', '/rest/workspaces/ws1/styles/live_e.alt.sld');
    expect(body).to.include('#0000ff');
  });

  it('a layer leaves a group and is removed in one pull; another joins the group as it comes', async () => {
    const now = await files('Second', '#0000ff');
    const child = JSON.parse(now['dpaw/layergroups/ws1.z_child.json'] ?? '{}') as {
      layers: Record<string, string>[];
    };
    child.layers = [
      { type: 'wms_layer', name: 'wms_b', store: 'wstore', workspace: 'ws1' },
      child.layers[1] ?? {},
    ];
    await rig.commit({
      'dpaw/layergroups/ws1.z_child.json': JSON.stringify(child),
      'dpaw/wms_layers/wstore.src_a.json': null,
      'dpaw/wms_layers/wstore.src_b.json': await withMeta('wms_b', {
        ...{
          workspace: 'ws1',
          channel: 'dpaw',
          name: 'wms_b',
          native_name: 'src_b',
          store: 'wstore',
          title: 'B',
        },
      }),
    });
    succeeds(await rig.pull());
    expect(await members('z_child')).to.deep.equal(['ws1:wms_b', 'ws1:live_e']);
    expect(await layerExists(rig, 'wms_a')).to.equal(false);
  });

  it('emptying tiles concerns what is published here', async () => {
    await rig.commit({
      'dpaw/layers/ws1.roads.empty_gwc.json': JSON.stringify({
        name: 'roads',
        workspace: 'ws1',
        action: 'empty_gwc',
      }),
      'dpaw/layers/ws1.nothing.empty_gwc.json': JSON.stringify({
        name: 'nothing',
        workspace: 'ws1',
        action: 'empty_gwc',
      }),
    });
    succeeds(await rig.pull());
    const status = await statusOf(rig);
    expect(status.get('dpaw/layers/ws1.roads.empty_gwc.json')?.state).to.equal('done');
    expect(status.get('dpaw/layers/ws1.nothing.empty_gwc.json')?.state).to.equal('excluded');
  });

  it('the passwords of task files are in no record', async () => {
    const state = await readFile(join(rig.clone, 'code/.sync_status/record.db'));
    const wal = await readFile(join(rig.clone, 'code/.sync_status/record.db-wal')).catch(() =>
      Buffer.alloc(0),
    );
    expect(Buffer.concat([state, wal]).includes('hidden-secret')).to.equal(false);
  });

  it('removal of all, children first, in one pull; the guard wants to be asked', async () => {
    const gone = 'dpaw/wms_layers/wstore.src_a.json';
    const paths = [
      ...Object.keys(await files('x', '#fff')).filter((path) => path !== gone),
      'dpaw/wms_layers/wstore.src_b.json',
      taskFile('roads'),
    ];
    await rig.commit(Object.fromEntries(paths.map((path) => [path, null])));
    const stopped = await rig.pull();
    expect(stopped.stderr).to.match(/everything would be removed/);
    expect(await layerExists(rig, 'roads')).to.equal(true);
    const run = /slave-sync approve (\d+)/.exec(stopped.stderr)?.[1] ?? '';
    succeeds(await rig.cli('approve', run));
    succeeds(await rig.pull());
    for (const name of ['roads', 'wms_b', 'live_e', 'live_sql'])
      expect(await layerExists(rig, name), name).to.equal(false);
    for (const path of [
      'wmsstores/wstore',
      'datastores/livedb',
      'layergroups/a_parent',
      'layergroups/z_child',
    ])
      expect(await rig.geoserver.getJson(`/rest/workspaces/ws1/${path}.json`), path).to.equal(undefined);
    expect(await rowsOf(rig, 'ws1.roads')).to.equal(undefined);
  });
});
