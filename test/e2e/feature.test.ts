import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at, list } from '../../src/geoserver/json.js';
import { anotherGeoServer, type TestGeoServer } from '../support/geoserver/index.js';
import { postgres } from '../support/postgres.js';
import { makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';
import { vcsOf } from '../support/vcs.js';
import {
  layerExists,
  makeTable,
  publish,
  rowsOf,
  statusOf,
  styleFile,
  succeeds,
  taskFile,
} from './master.js';

const ROADS = taskFile('roads');

/** What a map shows of the layer: its title, its styles, the first of them in full. */
async function served(geoserver: TestGeoServer): Promise<{ title: unknown; styles: unknown[]; sld: string }> {
  const featureType = await geoserver.getJson(
    '/rest/workspaces/ws1/datastores/ws1_ds/featuretypes/roads.json',
  );
  const layer = await geoserver.getJson('/rest/layers/ws1:roads.json');
  const alternates = list(at(layer, 'layer', 'styles', 'style'));
  const name = at(layer, 'layer', 'defaultStyle', 'name');
  const { body } = await geoserver.request('GET', '/rest/workspaces/ws1/styles/roads.sld');
  return {
    title: at(featureType, 'featureType', 'title'),
    styles: [name, ...alternates.map((style) => at(style, 'name'))],
    sld: body,
  };
}

for (const { vcs, note } of vcsOf('e2e/feature'))
  describe(`a feature from the master to the slave, by ${vcs}${note}`, () => {
    let rig: Rig;
    before(async () => {
      rig = await makeRig({ vcs, reach: 'ssh' });
      await makeTable(rig, 'roads', 100);
      await publish(rig, 'workspace', 'ws1');
      await publish(
        rig,
        'feature',
        'ws1',
        'roads',
        '--title',
        'Roads',
        '--style',
        `builtin=${await styleFile('#ff0000')}`,
      );
      expect((await rig.cli('init')).code).to.equal(0);
    });
    after(async () => rig.close());

    it('a pull restores the table behind its view and publishes the layer with its style', async () => {
      succeeds(await rig.pull());
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(100);
      const layer = (await rig.geoserver.getJson('/rest/layers/ws1:roads.json')) as {
        layer: { defaultStyle: { name: string } };
      };
      expect(layer.layer.defaultStyle.name).to.equal('ws1:roads');
      const featureType = (await rig.geoserver.getJson(
        '/rest/workspaces/ws1/datastores/ws1_ds/featuretypes/roads.json',
      )) as { featureType: { title: string; latLonBoundingBox: { minx: number } } };
      expect(featureType.featureType.title).to.equal('Roads');
      expect(featureType.featureType.latLonBoundingBox.minx).to.equal(115.01);
      expect((await statusOf(rig)).get(ROADS)?.state).to.equal('done');
    });

    it('a run with nothing to do changes nothing', async () => {
      const { code, stdout } = await rig.cli('sync', '--json');
      expect(code).to.equal(0);
      expect((JSON.parse(stdout) as { jobs: unknown[] }).jobs).to.deep.equal([]);
    });

    it('an update replaces the rows and the style in place', async () => {
      await rig.masterDatabase.query('DELETE FROM ws1_data.roads WHERE id > 40');
      const sld = async (name: string): Promise<string> =>
        (await rig.geoserver.request('GET', `/rest/workspaces/ws1/styles/${name}.sld`)).body;
      const blue = await styleFile('#0000ff');
      await publish(rig, 'feature', 'ws1', 'roads', '--style', `builtin=${blue}`, '--style', `night=${blue}`);
      succeeds(await rig.pull());
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(40);
      expect(await sld('roads')).to.include('#0000ff');
      expect(await sld('roads.night')).to.include('#0000ff');
    });

    it('new metadata touch no table', async () => {
      const [before] = await rig.slaveDatabase.query("SELECT 'ws1_data.roads'::regclass::oid AS oid");
      await publish(
        rig,
        'meta',
        'ws1',
        'roads',
        '--title',
        'Roads, renamed',
        '--style',
        `builtin=${await styleFile('#00ff00')}`,
      );
      succeeds(await rig.pull());
      expect((await served(rig.geoserver)).title).to.equal('Roads, renamed');
      const [after] = await rig.slaveDatabase.query("SELECT 'ws1_data.roads'::regclass::oid AS oid");
      expect(after).to.deep.equal(before);
      // The style that the meta file does not name is gone, the layer's own stays.
      expect(await rig.geoserver.getJson('/rest/workspaces/ws1/styles/roads.night.json')).to.equal(undefined);
    });

    it('while the meta file’s task file exists it wins, on a fresh slave too; a new publication takes it away', async () => {
      const [geoserver, database] = await Promise.all([
        anotherGeoServer(),
        postgres().then((cluster) => cluster.createDatabase()),
      ]);
      const folders = { status: await tempDir('status'), cache: await tempDir('cache') };
      const slave = (of: {
        server: TestGeoServer;
        name: string;
        status: string;
        cache: string;
      }): Promise<void> =>
        rig.configure({
          ...{ GEOSERVER_URL: of.server.url, GEOSERVER_USERNAME: of.server.username },
          ...{ GEOSERVER_PASSWORD: of.server.password, GEOSERVER_PGSQL_DATABASE: of.name },
          ...{ SYNC_STATUS_PATH: of.status, CACHE_PATH: of.cache },
        });
      await slave({ server: geoserver, name: database.name, ...folders });
      const { stdout } = succeeds(await rig.cli('sync', '--json'));
      expect((JSON.parse(stdout) as { jobs: { path: string }[] }).jobs.map(({ path }) => path)).to.include(
        ROADS,
      );
      const onFresh = await served(geoserver);
      expect(onFresh).to.include({ title: 'Roads, renamed' });
      expect(onFresh.sld).to.include('#00ff00');
      expect(onFresh).to.deep.equal(await served(rig.geoserver));
      expect(await database.query('SELECT FROM ws1.roads')).to.have.length(40);
      const code = join(rig.clone, 'code');
      await slave({
        ...{ server: rig.geoserver, name: rig.slaveDatabase.name },
        ...{ status: join(code, '.sync_status'), cache: join(code, 'dumps') },
      });
      await Promise.all([geoserver.close(), database.drop()]);

      // This one knows it all already.
      const idle = succeeds(await rig.cli('sync', '--json'));
      expect((JSON.parse(idle.stdout) as { jobs: unknown[] }).jobs).to.deep.equal([]);
      await rig.masterDatabase.query('DELETE FROM ws1_data.roads WHERE id > 30');
      const red = await styleFile('#ff0000');
      await publish(rig, 'feature', 'ws1', 'roads', '--title', 'Roads', '--style', `builtin=${red}`);
      succeeds(await rig.pull());
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(30);
      const onceMore = await served(rig.geoserver);
      expect(onceMore).to.include({ title: 'Roads' });
      expect(onceMore.sld).to.include('#ff0000');
    });

    it('a removal takes layer, style and table away', async () => {
      await publish(rig, 'remove', 'ws1', 'roads');
      succeeds(await rig.pull());
      expect(await layerExists(rig, 'roads')).to.equal(false);
      expect(await rig.geoserver.getJson('/rest/workspaces/ws1/styles/roads.json')).to.equal(undefined);
      const left = await rig.slaveDatabase.query("SELECT 1 FROM pg_class WHERE relname = 'roads'");
      expect(left).to.deep.equal([]);
    });

    it('local commits are refused', async () => {
      if (vcs === 'git') return;
      const hgrc = await readFile(join(rig.clone, '.hg/hgrc'), 'utf8');
      expect(hgrc).to.match(/precommit.*hook deny/);
      expect((await rig.cli('hook', 'deny')).code).to.equal(1);
    });
  });
