import { expect } from 'chai';
import { tempDir } from '../support/temp.js';
import { failed, layer, makeRig, never, SECRET, type Rig } from './rig.js';

describe('report/reporter', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(() => rig.close());

  describe('the row of a layer', () => {
    it('fills deploied_* when it was published', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads'));
      await reporter.flush(never);

      const [slave] = await rig.slaves();
      const row = await rig.layer('roads');
      expect(row).to.include({
        slave_server_id: slave!['id'],
        spatial_type: 'LineString',
        deploied_job_id: 2002,
        deploied_job_batch_id: 'B2002',
        preview_file: 'previews/slave-1/dpaw/ws1/roads.png',
        sync_job_id: null,
        sync_job_batch_id: null,
        sync_message: null,
        sync_time: null,
      });
      expect(row!['deploy_time']).to.deep.equal(new Date('2026-11-20T10:00:00Z'));
      expect(row!['deploy_message']).to.include('Sync File : dpaw/layers/ws1.roads.json');
    });

    it('keeps deploied_* and fills sync_* when publishing failed, and clears them when it worked again', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads'));
      await reporter.flush(never);
      reporter.jobEnded(failed('ws1', 'roads', 'the md5 is another one'));
      await reporter.flush(never);

      const broken = await rig.layer('roads');
      expect(broken).to.include({ deploied_job_id: 2002, sync_job_id: 2003, sync_job_batch_id: 'B2003' });
      expect(broken).to.include({ preview_file: 'previews/slave-1/dpaw/ws1/roads.png' });
      expect(broken!['sync_time']).to.deep.equal(new Date('2026-11-20T11:00:00Z'));
      expect(broken!['sync_message']).to.include('Message : the md5 is another one');

      reporter.jobEnded(layer('ws1', 'roads', { jobId: 2004 }));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({
        deploied_job_id: 2004,
        sync_job_id: null,
        sync_message: null,
        sync_time: null,
      });
      expect(await rig.layers()).to.have.length(1);
    });

    it('says nothing of deployment when it has only ever failed', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(failed('ws1', 'roads', 'no dump'));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({
        deploied_job_id: null,
        deploy_message: null,
        deploy_time: null,
        sync_job_id: 2003,
      });
    });

    it('leaves what another program has said of its deployment when this one knows only a failure', async () => {
      const reporter = rig.reporter();
      reporter.heartbeat('poll');
      await reporter.flush(never);
      const [slave] = await rig.slaves();
      await rig.master.query(
        `INSERT INTO monitor_publishsyncstatus (slave_server_id, publish, deploied_job_id, deploy_message, deploy_time)
         VALUES ($1, 'roads', 7, 'by the old program', '2020-01-01T00:00:00Z')`,
        [slave!['id']],
      );
      reporter.jobEnded(failed('ws1', 'roads', 'no dump'));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({
        deploied_job_id: 7,
        deploy_message: 'by the old program',
        sync_job_id: 2003,
      });
    });

    it('tells of a success and the failure after it when the master has missed both', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads'));
      reporter.jobEnded(failed('ws1', 'roads', 'no dump'));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({ deploied_job_id: 2002, sync_job_id: 2003 });
    });

    it('goes when the layer was removed, and only then', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads'));
      reporter.jobEnded(failed('ws1', 'roads', 'a view needs it', { action: 'remove', jobId: undefined }));
      await reporter.flush(never);
      // Without a job's number the master would show the row as well.
      expect(await rig.layer('roads')).to.include({ deploied_job_id: 2002, sync_job_id: 2002 });

      reporter.jobEnded(layer('ws1', 'roads', { action: 'remove' }));
      await reporter.flush(never);
      expect(await rig.layers()).to.deep.equal([]);
      expect(rig.outbox().sources()).to.deep.equal([]);
    });
  });

  describe('layers of one name in two workspaces (one row on the master)', () => {
    it('shows a failure of either, and names both', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(failed('ws1', 'roads', 'no dump'));
      reporter.jobEnded(layer('ws2', 'roads', { jobId: 3000 }));
      await reporter.flush(never);
      const rows = await rig.layers();
      expect(rows).to.have.length(1);
      expect(rows[0]).to.include({ deploied_job_id: 3000, sync_job_id: 2003 });
      expect(rows[0]!['sync_message']).to.include('ws1:roads (failed), ws2:roads (deployed)');
      expect(rows[0]!['sync_message']).to.include('no dump');

      reporter.jobEnded(layer('ws1', 'roads', { finishedAt: new Date('2026-11-20T12:00:00Z') }));
      await reporter.flush(never);
      const row = await rig.layer('roads');
      expect(row).to.include({ deploied_job_id: 2002, sync_job_id: null, sync_message: null });
      expect(row!['deploy_message']).to.include('ws1:roads (deployed), ws2:roads (deployed)');
    });

    it('keeps the row of the one that stays when the other is removed', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads', { jobId: 1 }));
      reporter.jobEnded(layer('ws2', 'roads', { jobId: 2 }));
      reporter.jobEnded(layer('ws2', 'roads', { action: 'remove' }));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({ deploied_job_id: 1 });
      expect((await rig.layer('roads'))!['deploy_message']).not.to.include('ws2');

      reporter.jobEnded(layer('ws1', 'roads', { action: 'remove' }));
      await reporter.flush(never);
      expect(await rig.layers()).to.deep.equal([]);
    });

    it('does not count a task file that is gone', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(failed('ws1', 'roads', 'two files publish it', { path: 'dpaw/layers/twice.json' }));
      reporter.jobEnded(layer('ws1', 'roads'));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({ sync_job_id: 2003 });

      reporter.forgetAllBut(new Set(['dpaw/layers/ws1.roads.json']));
      await reporter.flush(never);
      expect(await rig.layer('roads')).to.include({ deploied_job_id: 2002, sync_job_id: null });
    });
  });

  describe('the row of any other job', () => {
    it('is one per kind, name and action', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'roads', { action: 'meta' }));
      reporter.jobEnded(layer('ws1', 'roads', { action: 'empty_gwc' }));
      reporter.jobEnded(failed('ws1', 'sat', 'HTTP 500', { kind: 'wms_layer' }));
      reporter.jobEnded(layer('', 'ws1', { kind: 'workspace', workspace: undefined }));
      await reporter.flush(never);
      reporter.jobEnded(layer('ws1', 'sat', { kind: 'wms_layer' }));
      await reporter.flush(never);

      expect(await rig.layers()).to.deep.equal([]);
      const rows = await rig.tasks();
      expect(
        rows.map((row) => [row['task_type'], row['task_name'], row['action'], row['sync_succeed']]),
      ).to.have.deep.members([
        ['feature', 'ws1:roads', 'meta', true],
        ['feature', 'ws1:roads', 'empty_gwc', true],
        ['wms_layer', 'ws1:sat', 'publish', true],
        ['workspace', 'ws1', 'publish', true],
      ]);
      expect(rows[0]!['sync_time']).to.deep.equal(new Date('2026-11-20T10:00:00Z'));
      expect(rows[0]!['preview_file']).to.equal('previews/slave-1/dpaw/ws1/roads.png');
    });
  });

  describe('the row of the slave', () => {
    it('is made once, and shows channels, version, polls and syncs', async () => {
      const reporter = rig.reporter();
      reporter.heartbeat('poll');
      await reporter.flush(never);
      const [first] = await rig.slaves();
      expect(first).to.include({
        name: 'slave-1',
        listen_channels: 'dpaw,kmi',
        code_version: '1.2.3 (main)',
      });
      expect(first!['register_time']).to.be.a('date');
      expect(first!['last_poll_time']).to.be.a('date');
      expect(first!['last_sync_time']).to.equal(null);

      reporter.heartbeat('poll');
      reporter.runEnded({
        succeeded: false,
        endedAt: new Date('2026-11-20T10:00:00Z'),
        files: [
          { path: 'dpaw/layers/a.json', action: 'publish', succeeded: true, message: undefined },
          { path: 'dpaw/layers/b.json', action: 'publish', succeeded: false, message: 'no dump' },
        ],
      });
      await reporter.flush(never);
      const rows = await rig.slaves();
      expect(rows).to.have.length(1);
      expect(rows[0]!['last_sync_time']).to.be.a('date');
      expect(rows[0]!['last_sync_message']).to.equal(
        [
          'Synchronize file from repository',
          '    Succeed : False',
          '',
          '    Task 1 : dpaw/layers/b.json',
          '        Succeed : False',
          '        Process Time : 2026-11-20T10:00:00.000Z',
          '        Action : publish',
          '        Message : no dump',
          '',
          '    Task 2 : dpaw/layers/a.json',
          '        Succeed : True',
          '        Process Time : 2026-11-20T10:00:00.000Z',
          '        Action : publish',
        ].join('\n'),
      );
    });

    it('shows what hinders a poll, and the last sync again when nothing does', async () => {
      const reporter = rig.reporter();
      const message = async (): Promise<unknown> => {
        await reporter.flush(never);
        return (await rig.slaves())[0]!['last_sync_message'];
      };
      reporter.runEnded({ succeeded: true, endedAt: new Date(), files: [] });
      const synced = await message();
      expect(synced).to.include('Succeed : True');
      reporter.heartbeat('poll', 'ssh: no route to host');
      expect(await message()).to.equal('ssh: no route to host');
      reporter.heartbeat('poll');
      expect(await message()).to.equal(synced);
    });

    it('keeps two slaves of one master apart', async () => {
      const one = rig.reporter({ name: 'one' });
      const two = rig.reporter({ name: 'two', folder: await tempDir('record') });
      one.jobEnded(layer('ws1', 'roads', { jobId: 1 }));
      two.jobEnded(layer('ws1', 'roads', { jobId: 2 }));
      await one.flush(never);
      await two.flush(never);
      two.jobEnded(layer('ws1', 'roads', { action: 'remove' }));
      await two.flush(never);
      const slaves = await rig.slaves();
      expect(slaves.map((row) => row['name'])).to.deep.equal(['one', 'two']);
      expect(await rig.layers()).to.have.length(1);
      expect((await rig.layers())[0]).to.include({ slave_server_id: slaves[0]!['id'], deploied_job_id: 1 });
    });
  });

  it('quotes whatever stands in names, messages and the schema', async () => {
    const other = await makeRig({ schema: `odd "schema'; --` });
    try {
      const reporter = other.reporter({ name: `slave'); DROP TABLE monitor_slaveserver; --` });
      reporter.jobEnded(layer('ws1', `o'roads"$1`, { failure: undefined }));
      reporter.jobEnded(failed('ws1', 'b', `it's "bad" \\ $$ NUL\u0000 \ud800`));
      reporter.jobEnded(failed('w"s', `x'); DELETE FROM t; --`, 'no', { kind: `k'` }));
      await reporter.flush(never);
      expect((await other.layers()).map((row) => row['publish'])).to.deep.equal([`o'roads"$1`, 'b']);
      expect((await other.tasks())[0]).to.include({
        task_type: `k'`,
        task_name: `w"s:x'); DELETE FROM t; --`,
      });
      expect(other.logged.filter((line) => line.level !== 'debug')).to.deep.equal([]);
    } finally {
      await other.close();
    }
  });

  it('sends no secret, wherever it stands', async () => {
    const reporter = rig.reporter();
    const message = `psql: postgres://u:${SECRET}@host/db failed for "${SECRET}"`;
    reporter.jobEnded(failed('ws1', 'roads', message));
    reporter.jobEnded(failed('ws1', 'sat', `${'x'.repeat(990)}${SECRET}`, { kind: 'wms_layer' }));
    reporter.heartbeat('poll', message);
    reporter.runEnded({
      succeeded: false,
      endedAt: new Date(),
      files: [{ path: 'a', action: 'publish', succeeded: false, message }],
    });
    await reporter.flush(never);
    const everything = JSON.stringify([await rig.slaves(), await rig.layers(), await rig.tasks()]);
    expect(everything).to.include('***');
    expect(everything).not.to.include(SECRET.slice(0, 8));
  });
});
