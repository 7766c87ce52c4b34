import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { dumpTable } from '../../src/pgdump/dump.js';
import type { Row } from '../support/postgres.js';
import { makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';
import { never } from './rig.js';

const WORKSPACE = { schema: 'ws1', data_schema: 'ws1_data', outdated_schema: 'ws1_outdated', auth_level: 1 };

describe('report: what a run tells the master', function () {
  this.timeout(180_000);
  let rig: Rig;
  let number = 2_000;
  before(async () => {
    rig = await makeRig({ env: { SLAVE_NAME: 'slave-1', LOG_FORMAT: 'json' } });
    await rig.masterDatabase.query(`
      CREATE SCHEMA ws1_data;
      CREATE TABLE ws1_data.roads (id integer PRIMARY KEY, wkb_geometry geometry(LineString, 4326));
      INSERT INTO ws1_data.roads VALUES (1, 'SRID=4326;LINESTRING(115 -33, 116 -32)')`);
  });
  after(() => rig.close());

  const rows = (table: string): Promise<Row[]> =>
    rig.masterDatabase.query(`SELECT * FROM ${table} ORDER BY id`);

  /** The task file of a dump of the master's ws1_data.roads, as the layer `name`. */
  async function feature(changes: Record<string, unknown> = {}): Promise<string> {
    const { host, port, name: database, user, password } = rig.masterDatabase;
    const file = join(await tempDir('dump'), 'roads.db');
    const env = {
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: database,
      PGUSER: user,
      PGPASSWORD: password,
    };
    await dumpTable({ schema: 'ws1_data', table: 'roads', file, env }, never);
    const data = await rig.store('roads.db', await readFile(file));
    number += 1;
    return JSON.stringify({
      ...{ action: 'publish', workspace: 'ws1', name: 'roads', title: 'Roads', ...WORKSPACE },
      ...{ spatial_type: 'LineString', spatial_column: 'wkb_geometry', crs: 'EPSG:4326' },
      ...{ job_id: number, job_batch_id: `B${number}`, data },
      ...changes,
    });
  }

  it('says nothing and loses nothing while the master has no tables; `master init` makes them', async () => {
    await rig.commit({
      'dpaw/workspaces/ws1.json': JSON.stringify({ action: 'publish', ...WORKSPACE }),
      'dpaw/layers/ws1.roads.json': await feature(),
    });
    await rig.pull();
    const first = await rig.cli('sync');
    expect(first.code, first.stderr).to.equal(0);
    expect(first.stderr).to.include('the master takes no reports');

    for (const word of ['made', 'exists']) {
      const init = await rig.cli('master', 'init');
      expect(init.code, init.stderr).to.equal(0);
      expect(init.stdout).to.match(new RegExp(`^${word}\\s+public\\.monitor_slaveserver$`, 'm'));
    }
  });

  it('sends later what was done before', async () => {
    const poll = await rig.cli('poll', '--once');
    expect(poll.code, poll.stderr).to.equal(0);
    const [slave] = await rows('monitor_slaveserver');
    expect(slave).to.include({ name: 'slave-1', listen_channels: 'dpaw' });
    expect(slave!['last_poll_time']).to.be.a('date');
    expect(slave!['last_sync_message']).to.include('Succeed : True');
    const [layer, ...others] = await rows('monitor_publishsyncstatus');
    expect(others).to.deep.equal([]);
    expect(layer).to.include({
      publish: 'roads',
      spatial_type: 'LineString',
      deploied_job_id: number,
      deploied_job_batch_id: `B${number}`,
      sync_message: null,
    });
    expect(layer!['deploy_message']).to.match(/Task \d+ : restore_table\n {8}Succeed : True/);
    expect((await rows('monitor_tasksyncstatus'))[0]).to.include({
      task_type: 'workspace',
      task_name: 'ws1',
      action: 'publish',
      sync_succeed: true,
    });
  });

  it('shows why a layer failed, with what was not tried, and keeps what is deployed', async () => {
    const deployed = number;
    await rig.commit({
      'dpaw/layers/ws1.roads.json': await feature({
        data: { file: `${rig.remote}/nowhere.db`, md5: '0'.repeat(32) },
      }),
    });
    await rig.pull();
    expect((await rig.cli('sync')).code).to.equal(1);
    const [layer] = await rows('monitor_publishsyncstatus');
    expect(layer).to.include({ deploied_job_id: deployed, sync_job_id: number });
    expect(layer!['sync_message']).to.match(/Task \d+ : fetch_dump\n {8}Succeed : False/);
    expect(layer!['sync_message']).to.match(
      /Task \d+ : restore_table\n {8}Succeed : False\n {8}Message : not tried/,
    );
    const [slave] = await rows('monitor_slaveserver');
    expect(slave!['last_sync_message']).to.match(/Succeed : False[^]*dpaw\/layers\/ws1\.roads\.json/);
  });

  it('shows a task file that can no longer be read at the layer it published', async () => {
    await rig.commit({ 'dpaw/layers/ws1.roads.json': '{ no JSON' });
    await rig.pull();
    expect((await rig.cli('sync')).code).to.equal(1);
    const [layer] = await rows('monitor_publishsyncstatus');
    expect(layer!['sync_message']).to.include('is no valid JSON');
  });

  it('takes the row away with the layer', async () => {
    await rig.commit({ 'dpaw/layers/ws1.roads.json': null });
    await rig.pull();
    const sync = await rig.cli('sync');
    expect(sync.code, sync.stderr).to.equal(0);
    expect(await rows('monitor_publishsyncstatus')).to.deep.equal([]);
    const [slave] = await rows('monitor_slaveserver');
    expect(slave!['last_sync_message']).to.match(/Succeed : True[^]*Action : remove/);
  });

  it('tells no password of this slave', async () => {
    const everything = JSON.stringify([
      await rows('monitor_slaveserver'),
      await rows('monitor_tasksyncstatus'),
    ]);
    expect(everything).not.to.include(rig.slaveDatabase.password);
  });
});
