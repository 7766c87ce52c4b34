import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandOutcome } from '../support/repository.js';
import { restoreMark } from '../../src/pgdump/restore.js';
import { acquireLock } from '../../src/state/lock.js';
import { StateStore } from '../../src/state/store.js';
import { until } from '../support/daemon.js';
import { CLI, makeRig, type Rig } from '../support/rig.js';
import {
  layerExists,
  makeTable,
  md5,
  publish,
  publishTables,
  rowsOf,
  statusOf,
  styleFile,
  succeeds,
  taskFile,
} from './master.js';

type TaskFile = Record<string, unknown> & { data: { file: string; md5: string } };

async function readTask(rig: Rig, path: string): Promise<TaskFile> {
  return JSON.parse(await readFile(join(rig.upstream, path), 'utf8')) as TaskFile;
}

/** Where a file that a task file names lies on the master's disk. */
const local = (reference: string): string => reference.slice(reference.indexOf(':') + 1);

describe('failures of single jobs', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
    succeeds(await rig.cli('init'));
  });
  afterEach(async () => rig.close());

  it('roll the pull back while the others are applied; mended upstream, the next pull does only the rest', async () => {
    await publishTables(rig, 'good', 'bad');
    const task = await readTask(rig, taskFile('bad'));
    const dump = await readFile(local(task.data.file));
    await writeFile(local(task.data.file), Buffer.concat([dump, Buffer.from('x')]));

    const failed = await rig.pull();
    expect(failed.code).to.equal(255);
    expect(failed.stderr).to.match(/rollback completed/);
    expect(failed.stdout)
      .to.include(task.data.md5)
      .and.to.match(/probably published (it )?again/);
    expect(await rowsOf(rig, 'ws1.good')).to.equal(10);
    expect(await rowsOf(rig, 'ws1.bad')).to.equal(undefined);
    const status = await statusOf(rig);
    expect(status.get(taskFile('good'))?.state).to.equal('done');
    expect(status.get(taskFile('bad'))?.failure).to.include({ reason: 'checksum-mismatch', retry: 'remote' });

    await writeFile(local(task.data.file), dump);
    const requests = rig.geoserver.standIn?.requests.length ?? 0;
    const mended = succeeds(await rig.pull());
    expect(mended.stdout).to.match(/1 done, 0 failed/);
    expect(await rowsOf(rig, 'ws1.bad')).to.equal(10);
    const again = rig.geoserver.standIn?.requests.slice(requests) ?? [];
    expect(again.filter((request) => request.path.includes('good'))).to.deep.equal([]);
  });

  it('what a rejected pull had published and the master withdraws is removed', async () => {
    await publishTables(rig, 'kept', 'first', 'bad');
    await writeFile(local((await readTask(rig, taskFile('bad'))).data.file), 'no dump');
    expect((await rig.pull()).code).to.equal(255);
    expect(await rowsOf(rig, 'ws1.first')).to.equal(10);
    await rig.commit({ [taskFile('first')]: null, [taskFile('bad')]: null, 'dpaw/layers/readme.txt': 'x' });
    succeeds(await rig.pull());
    expect(await rowsOf(rig, 'ws1.first')).to.equal(undefined);
    expect(await layerExists(rig, 'first')).to.equal(false);
    expect([...(await statusOf(rig)).keys()]).to.deep.equal([taskFile('kept')]);
  });

  it('ON_FAILURE=accept keeps the pull, lists the failure, and tries it again', async () => {
    await rig.configure({ ON_FAILURE: 'accept' });
    await publishTables(rig, 'bad');
    const { data } = await readTask(rig, taskFile('bad'));
    const dump = await readFile(local(data.file));
    await truncate(local(data.file), 100);
    const accepted = succeeds(await rig.pull());
    expect(accepted.stdout).to.match(/0 done, 1 failed/);
    await writeFile(local(data.file), dump);
    succeeds(await rig.cli('sync'));
    expect(await rowsOf(rig, 'ws1.bad')).to.equal(10);
  });

  it('each says what is wrong with its own file, and none keeps a good one from being served', async () => {
    await publishTables(rig, 'good');
    const good = await readTask(rig, taskFile('good'));
    const base = (await readMeta(good)) as Record<string, unknown>;
    const inline = (change: Record<string, unknown>): string =>
      JSON.stringify({ ...base, styles: {}, action: 'publish', data: good.data, ...change });
    const badSld = join(rig.dataRoot, 'bad.sld');
    await writeFile(badSld, '<StyledLayerDescriptor');
    const cases: Readonly<Record<string, readonly [content: string, message: RegExp]>> = {
      'ws1.json1': ['{"name": ', /no valid JSON/],
      'ws1.json2': ['[]', /holds no JSON object/],
      'ws1.missing': [inline({ name: 'missing', data: undefined }), /data: is missing/],
      'ws1.typed': [inline({ name: 'typed', auth_level: 'high' }), /auth_level/],
      'ws1.long': [inline({ name: 'x'.repeat(64) }), /longer than 63 bytes/],
      'ws1.percent': [inline({ name: 'a%2fb' }), /"%"/],
      'ws1.slash': [inline({ name: '../../etc/passwd' }), /"\/"/],
      'ws1.dash': [inline({ name: '-rf' }), /starts with "-"/],
      'ws1.control': [inline({ name: 'a\nb' }), /control character/],
      'ws1.option': [
        inline({ name: 'option', data: { ...good.data, file: '-oProxyCommand=x:/a' } }),
        /option|host|refused|not a/i,
      ],
      'ws1.words': [
        inline({ name: 'words', data: { ...good.data, file: 'a b@c:/d' } }),
        /host|refused|not a/i,
      ],
      'ws1.relative': [
        inline({ name: 'relative', data: { ...good.data, file: `${rig.remote}etc/x` } }),
        /absolute|path/i,
      ],
      'ws1.gone': [
        inline({ name: 'gone', data: { ...good.data, file: `${rig.remote}/nowhere/x.db` } }),
        /nowhere\/x\.db/,
      ],
      'ws1.other': [inline({ name: 'other' }), /holds the table ws1_data\.good/],
      'ws1.action': [inline({ name: 'action', action: 'destroy' }), /unknown action "destroy"/],
      'ws1.nometa': [
        JSON.stringify({ meta: { file: `${rig.remote}/nowhere/m.json`, md5: md5('') } }),
        /nowhere\/m\.json/,
      ],
      'ws1.sld': [
        inline({
          ...{ name: 'sld', sync_postgres_data: false },
          styles: {
            builtin: { file: rig.remote + badSld, md5: md5('<StyledLayerDescriptor'), default: true },
          },
        }),
        /SLD|XML/i,
      ],
    };
    await rig.commit(
      Object.fromEntries(
        Object.entries(cases).map(([name, [content]]) => [`dpaw/layers/${name}.json`, content]),
      ),
    );
    expect((await rig.pull()).code).to.equal(255);
    const status = await statusOf(rig);
    for (const [name, [, message]] of Object.entries(cases)) {
      const row = status.get(`dpaw/layers/${name}.json`);
      expect(row?.state, name).to.equal('failed');
      expect(row?.failure?.message, name).to.match(message);
    }
    expect(await rowsOf(rig, 'ws1.good')).to.equal(10);
    expect(await layerExists(rig, 'good')).to.equal(true);

    // Known final failures cost nothing at the next pull, and still fail it.
    const again = await rig.pull();
    expect(again.code).to.equal(255);
    expect(again.stdout).to.match(/as before/);
  });

  it('a file of another channel is never looked at, its meta file never fetched', async () => {
    await publishTables(rig, 'good');
    await rig.commit({
      'kmi/layers/ws1.bad.json': JSON.stringify({
        meta: { file: `${rig.remote}/nowhere/m.json`, md5: md5('') },
      }),
      'kmi/layers/broken.json': '{',
    });
    succeeds(await rig.pull());
    expect(await rowsOf(rig, 'ws1.good')).to.equal(10);
  });

  it('a GeoServer that is down fails the job; when it is back, only its part is done', async () => {
    await publishTables(rig, 'good');
    await rig.configure({ GEOSERVER_URL: 'http://127.0.0.1:9/geoserver' });
    const down = await rig.pull();
    expect(down.code).to.equal(255);
    expect(down.stdout).to.match(/127\.0\.0\.1:9/);
    expect(await rowsOf(rig, 'ws1.good')).to.equal(10);
    await rig.configure({ GEOSERVER_URL: rig.geoserver.url });
    succeeds(await rig.pull());
    expect(await layerExists(rig, 'good')).to.equal(true);
  });

  it('a database that is down fails the job and says where', async () => {
    await publishTables(rig, 'good');
    await rig.configure({ GEOSERVER_PGSQL_PORT: '9' });
    const { code, stdout } = await rig.pull();
    expect(code).to.equal(255);
    expect(stdout)
      .to.match(/database/i)
      .and.to.include(':9');
  });

  it('a WMS store of this machine takes ALLOW_LOOPBACK_WMS', async () => {
    await rig.configure({ ALLOW_LOOPBACK_WMS: '' });
    const path = 'dpaw/wms_stores/ws1.near.json';
    const capability_url = 'http://localhost:8081/wms?service=WMS';
    await rig.commit({ [path]: JSON.stringify({ workspace: 'ws1', name: 'near', capability_url }) });
    const { code, stdout } = await rig.pull();
    expect(code).to.equal(255);
    expect(stdout).to.include('localhost:8081 is this machine').and.to.include('ALLOW_LOOPBACK_WMS=true');
    expect(await rig.geoserver.getJson('/rest/workspaces/ws1/wmsstores/near.json')).to.equal(undefined);
    await rig.configure({ ALLOW_LOOPBACK_WMS: 'true' });
    succeeds(await rig.pull());
    expect(await rig.geoserver.getJson('/rest/workspaces/ws1/wmsstores/near.json')).not.to.equal(undefined);
  });

  it('missing configuration: all errors at once, before anything is touched', async () => {
    await rig.configure({
      GEOSERVER_PGSQL_PORT: 'x',
      POLL_INTERVAL: '-1',
      FEATURE_FILTER: 'lambda job: job.',
    });
    const { code, stderr } = await rig.cli('sync');
    expect(code).to.equal(2);
    expect(stderr)
      .to.include('GEOSERVER_PGSQL_PORT')
      .and.include('POLL_INTERVAL')
      .and.include('FEATURE_FILTER');
    expect(await readdir(join(rig.clone, 'code'))).to.deep.equal(['.env']);
  });
});

describe('interruptions', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
    succeeds(await rig.cli('init'));
  });
  afterEach(async () => rig.close());

  const ROWS = 200_000;
  /** A table whose restore takes a moment; published again, it has as many rows more. */
  async function publishLarge(): Promise<void> {
    await rig.masterDatabase.query(
      `INSERT INTO ws1_data.large (name, wkb_geometry)
       SELECT md5(i::text), ST_SetSRID(ST_MakePoint(115 + i % 100 / 100.0, -32), 4326) FROM generate_series(11, ${ROWS}) i`,
    );
    await publish(rig, 'feature', 'ws1', 'large', '--style', `builtin=${await styleFile('#ff0000')}`);
  }
  /** Resolves when its rows are being copied. */
  async function restoreOfLarge(): Promise<void> {
    const watcher = await rig.slaveDatabase.client();
    const mark = restoreMark('ws1_data', 'large');
    const isRestoring = async (): Promise<boolean> => {
      const { rows } = await watcher.query(
        `SELECT FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'COPY %'`,
        [mark],
      );
      return rows.length > 0;
    };
    expect(await until(isRestoring, 30_000), 'a restore was under way').to.equal(true);
    await watcher.end();
  }

  it('a pull by hand while another run restores, and the reverse: the second is refused, and nothing is lost', async () => {
    await publishTables(rig, 'first');
    succeeds(await rig.pull());
    const publishAgain = async (): Promise<void> => {
      await rig.masterDatabase.query(
        `INSERT INTO ws1_data.first (name, wkb_geometry) SELECT name, wkb_geometry FROM ws1_data.first`,
      );
      await publish(rig, 'feature', 'ws1', 'first', '--style', `builtin=${await styleFile('#ff0000')}`);
    };
    /** While somebody reads the table, it can be neither moved nor exchanged. */
    const reader = await rig.slaveDatabase.client();
    const restoring = async (): Promise<boolean> => {
      const sql = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%borg_slave.%' AND wait_event_type = 'Lock'`;
      return (await rig.slaveDatabase.query(sql)).length > 0;
    };
    const readers = async (work: () => Promise<unknown>): Promise<void> => {
      await reader.query('BEGIN; SELECT count(*) FROM ws1.first');
      await work().finally(() => reader.query('COMMIT'));
    };

    await publishAgain();
    succeeds(await rig.exec('hg', 'pull', '--config', 'hooks.pretxnchangegroup.slave-sync='));
    await publishTables(rig, 'second');
    let sync: Promise<CommandOutcome> | undefined;
    await readers(async () => {
      sync = rig.cli('sync');
      expect(await until(restoring, 30_000)).to.equal(true);
      const pull = await rig.pull();
      expect(pull.code).to.equal(255);
      expect(pull.stderr)
        .to.include('slave-sync sync')
        .and.to.match(/exited with status 75/);
    });
    succeeds(await sync!);
    expect(await rowsOf(rig, 'ws1.second')).to.equal(undefined);

    await publishAgain();
    let pull: Promise<CommandOutcome> | undefined;
    await readers(async () => {
      pull = rig.pull();
      expect(await until(restoring, 30_000)).to.equal(true);
      const second = await rig.cli('sync');
      expect(second.code).to.equal(75);
      expect(second.stderr).to.include('slave-sync hook');
    });
    succeeds(await pull!);
    await reader.end();
    for (const table of ['first', 'second'])
      expect((await statusOf(rig)).get(taskFile(table))?.state).to.equal('done');
    expect(await rowsOf(rig, 'ws1.second')).to.equal(10);
  });

  it('whoever reads what is printed may go away: the work goes on', async () => {
    await publishTables(rig, 'first');
    succeeds(await rig.exec('hg', 'pull', '--config', 'hooks.pretxnchangegroup.slave-sync='));
    await rig.exec('sh', '-c', `'${process.execPath}' '${CLI}' sync 2>&1 | true`);
    const isApplied = async (): Promise<boolean> =>
      (await statusOf(rig)).get(taskFile('first'))?.state === 'done';
    expect(await until(isApplied, 30_000)).to.equal(true);
  });

  it('kill -9 while a table is restored: the next pull goes on and ends right', async () => {
    await makeTable(rig, 'large', 10);
    await publishLarge();
    await publishTables(rig, 'small');

    const pull = spawn('hg', ['pull'], { cwd: rig.clone, detached: true, stdio: 'ignore' });
    const ended = once(pull, 'exit');
    await restoreOfLarge();
    if (pull.pid !== undefined) process.kill(-pull.pid, 'SIGKILL');
    await ended;
    expect(await rowsOf(rig, 'ws1.large')).to.equal(undefined);
    const store = new StateStore(join(rig.clone, 'code/.sync_status'));
    const restore = store.tasksOf(taskFile('large')).find(({ type }) => type === 'restore_table');
    store.close();
    expect(restore).to.include({ state: 'started', finishedAt: undefined });

    // What is left of the pull is Mercurial's to clean up, which the daemon asks it to.
    await rig.cli('poll', '--once');
    await rig.pull();
    succeeds(await rig.cli('sync'));
    expect(await rowsOf(rig, 'ws1.large')).to.equal(ROWS);
    expect(await rowsOf(rig, 'ws1.small')).to.equal(10);
    expect(await layerExists(rig, 'large')).to.equal(true);
    expect((await statusOf(rig)).get(taskFile('large'))?.state).to.equal('done');
  });

  it('while another run holds the lock, a pull is rolled back, `sync` ends with 75, and both name the holder', async () => {
    await publishTables(rig, 'first');
    succeeds(await rig.pull());
    await publishTables(rig, 'small');
    const holder = { pid: process.pid, command: 'slave-sync poll', since: new Date().toISOString() };
    const lock = acquireLock(join(rig.clone, 'code/.sync_status'), holder);
    try {
      const pull = await rig.pull();
      expect(pull.code).to.equal(255);
      expect(pull.stderr)
        .to.match(/exited with status 75/)
        .and.to.include(`slave-sync poll (process ${process.pid})`);
      const sync = await rig.cli('sync');
      expect(sync.code).to.equal(75);
      expect(sync.stderr).to.include(holder.since);
      const waiting = rig.cli('sync', '--wait', '60');
      setTimeout(() => lock.release(), 1_500);
      succeeds(await waiting);
    } finally {
      lock.release();
    }
    succeeds(await rig.pull());
    expect(await rowsOf(rig, 'ws1.small')).to.equal(10);
  });
});

async function readMeta(task: TaskFile): Promise<unknown> {
  const { file } = task['meta'] as { file: string };
  return JSON.parse(await readFile(local(file), 'utf8'));
}
