import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at, list, text } from '../../src/geoserver/json.js';
import { run } from '../../src/lib/process.js';
import { postgres } from '../support/postgres.js';
import { pointStyle, workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { layerExists, makeTable, rowsOf, succeeds, taskFile } from './master.js';

const WORKSPACE = 'ws2';

/** Task files as masters wrote them before there were meta files; a state repository keeps them for as long as a layer lives. */
describe('the older forms of a feature', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    succeeds(await rig.cli('init'));
    await rig.commit(workspaceFiles(WORKSPACE, { auth_level: 2 }));
  });
  after(async () => rig.close());

  /** Dumps the table as those masters did; the place and the sum of the dump. */
  const dump = async (name: string, format: 'custom' | 'tar'): Promise<{ file: string; md5: string }> => {
    const { host, port, user, password, name: database } = rig.masterDatabase;
    const file = join(rig.dataRoot, `${name}.dump`);
    await run(
      join((await postgres()).binDir, 'pg_dump'),
      [
        '-h',
        host,
        '-p',
        String(port),
        '-U',
        user,
        '-F',
        format,
        '-t',
        `ws2_data.${name}`,
        '-f',
        file,
        database,
      ],
      { env: { PGPASSWORD: password } },
    );
    return rig.store(`full_data/${name}.${format === 'tar' ? 'tar' : 'db'}`, await readFile(file));
  };
  const common = (name: string) => ({
    ...{ job_id: 1006, job_batch_id: 'B1006', name, workspace: WORKSPACE, title: `Old ${name}` },
    ...{ abstract: `Old inline ${name}`, action: 'publish', auth_level: 2, channel: 'dpaw' },
    ...{ spatial_data: true, sync_postgres_data: true, sync_geoserver_data: true },
    publish_time: '2015-11-20 22:05:58.510201',
    ...{ schema: WORKSPACE, data_schema: 'ws2_data', outdated_schema: 'ws2_outdated' },
  });
  const featureType = async (name: string): Promise<unknown> =>
    at(
      await rig.geoserver.getJson(`/rest/workspaces/ws2/datastores/ws2_ds/featuretypes/${name}.json`),
      'featureType',
    );
  const defaultStyle = async (name: string): Promise<string> =>
    text(at(await rig.geoserver.getJson(`/rest/layers/ws2:${name}.json`), 'layer', 'defaultStyle', 'name'));

  it('the oldest (dump_path, style_path, a tar dump) is published, updated and removed', async () => {
    await makeTable(rig, 'legacy', 12, WORKSPACE);
    const publish = async (colour: string): Promise<void> => {
      const [data, style] = [await dump('legacy', 'tar'), await rig.store('legacy.sld', pointStyle(colour))];
      const task = {
        ...common('legacy'),
        ...{ dump_path: data.file, data_md5: data.md5, style_path: style.file, style_md5: style.md5 },
        keywords: 'old,older;oldest',
      };
      await rig.commit({ [taskFile('legacy', WORKSPACE)]: JSON.stringify(task) });
      succeeds(await rig.pull());
    };
    await publish('red');
    expect(await rowsOf(rig, 'ws2.legacy')).to.equal(12);
    const published = await featureType('legacy');
    expect(at(published, 'title')).to.equal('Old legacy');
    expect(at(published, 'abstract')).to.equal('Old inline legacy');
    expect(list(at(published, 'keywords', 'string')).map(text)).to.include.members([
      'old',
      'older',
      'oldest',
    ]);
    expect(await defaultStyle('legacy')).to.equal('ws2:legacy');

    await rig.masterDatabase.query('DELETE FROM ws2_data.legacy WHERE id > 5');
    await publish('blue');
    expect(await rowsOf(rig, 'ws2.legacy')).to.equal(5);
    const sld = await rig.geoserver.request('GET', '/rest/workspaces/ws2/styles/legacy.sld');
    expect(sld.body).to.include('<Title>blue</Title>');

    await rig.commit({ [taskFile('legacy', WORKSPACE)]: null });
    succeeds(await rig.pull());
    expect(await rowsOf(rig, 'ws2.legacy')).to.equal(undefined);
    expect(await layerExists(rig, 'legacy', WORKSPACE)).to.equal(false);
  });

  it('all inline, with named styles', async () => {
    await makeTable(rig, 'trees', 7, WORKSPACE);
    const style = async (name: string) => rig.store(`trees.${name}.sld`, pointStyle(name));
    const task = {
      ...common('trees'),
      data: await dump('trees', 'custom'),
      styles: {
        builtin: { ...(await style('builtin')), default: false },
        night: { ...(await style('night')), default: true },
      },
      ...{ default_style: 'night', crs: 'EPSG:4326', spatial_column: 'wkb_geometry' },
      geoserver_setting: { create_cache_layer: true, client_cache_expire: 0, server_cache_expire: 0 },
    };
    await rig.commit({ [taskFile('trees', WORKSPACE)]: JSON.stringify(task) });
    succeeds(await rig.pull());
    expect(await rowsOf(rig, 'ws2.trees')).to.equal(7);
    expect(at(await featureType('trees'), 'title')).to.equal('Old trees');
    expect(await defaultStyle('trees')).to.equal('ws2:trees.night');
  });
});
