import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/log.js';
import { run } from '../../src/lib/process.js';
import { Secret } from '../../src/lib/secret.js';
import { initMaster } from '../../src/report/init.js';
import { Reporter } from '../../src/report/reporter.js';
import { acquireLock } from '../../src/state/lock.js';
import { postgres } from '../support/postgres.js';
import { failed, layer, makeRig, never, type Rig } from './rig.js';

describe('report: delivery', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(() => rig.close());

  const warnings = () => rig.logged.filter((line) => line.level === 'warn');
  const waiting = () => rig.outbox().pending().length;

  describe('a master that is down', () => {
    it('gets everything when it is back, however long that took, in order and only the latest of each row', async () => {
      const cluster = await postgres();
      const down = rig.reporter();
      await cluster.stop('immediate');
      try {
        down.jobEnded(layer('ws1', 'a', { jobId: 1 }));
        down.jobEnded(layer('ws1', 'b', { jobId: 2, finishedAt: new Date('2020-01-01T00:00:00Z') }));
        await down.flush(never);
        down.jobEnded(layer('ws1', 'a', { jobId: 3 }));
        down.jobEnded(layer('ws1', 'c', { action: 'meta' }));
        for (let polls = 0; polls < 3; polls += 1) {
          down.heartbeat('poll');
          await down.flush(never);
        }
        expect(
          rig
            .outbox()
            .pending()
            .map((row) => row.key),
        ).to.deep.equal([
          '["layer","b"]',
          '["layer","a"]',
          '["task","feature","ws1:c","meta"]',
          '["slave","poll"]',
        ]);
        expect(warnings(), 'said once').to.have.length(1);
        expect(warnings()[0]!.fields!['error']).to.match(/ECONNREFUSED/);
      } finally {
        await cluster.start();
      }
      const later = rig.reporter();
      await later.flush(never);
      expect((await rig.layers()).map((row) => [row['publish'], row['deploied_job_id']])).to.deep.equal([
        ['b', 2],
        ['a', 3],
      ]);
      expect(await rig.tasks()).to.have.length(1);
      expect(waiting()).to.equal(0);
      expect(rig.logged.at(-1)).to.include({ level: 'info', message: 'the master takes reports again' });
    });

    it('goes away between two reports of one run, and comes back', async () => {
      const cluster = await postgres();
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'a'));
      await reporter.flush(never);
      await cluster.stop('immediate');
      await cluster.start();
      reporter.jobEnded(layer('ws1', 'b'));
      await reporter.flush(never);
      await reporter.flush(never);
      expect(await rig.layers()).to.have.length(2);
    });
  });

  it('waits a few seconds at most for a master that does not answer', async function () {
    this.timeout(30_000);
    const silent = await listen();
    const reporter = rig.reporter({ settings: { port: silent.port } });
    reporter.jobEnded(layer('ws1', 'a'));
    const begin = performance.now();
    await reporter.flush(never);
    expect(performance.now() - begin).to.be.lessThan(9_000);
    expect(waiting()).to.equal(1);
    expect(warnings()).to.have.length(1);
    await silent.close();
  });

  it('is stopped by its signal at once, and keeps everything', async () => {
    const silent = await listen();
    const reporter = rig.reporter({ settings: { port: silent.port } });
    reporter.jobEnded(layer('ws1', 'a'));
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped by the test')), 50);
    const begin = performance.now();
    const error = await reporter.flush(stop.signal).catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error').with.property('message', 'stopped by the test');
    expect(performance.now() - begin).to.be.lessThan(2_000);
    expect(waiting()).to.equal(1);
    await silent.close();
  });

  describe('a master that refuses', () => {
    it('one row, gets all the others', async () => {
      await rig.master.query(
        `ALTER TABLE monitor_publishsyncstatus ADD CONSTRAINT no_bad CHECK (publish NOT LIKE 'bad%')`,
      );
      const reporter = rig.reporter();
      for (let number = 0; number < 120; number += 1)
        reporter.jobEnded(layer('ws1', number % 40 === 7 ? `bad${number}` : `good${number}`));
      reporter.jobEnded(layer('ws1', 'sat', { kind: 'wms_layer' }));
      await reporter.flush(never);
      expect(await rig.layers()).to.have.length(117);
      expect(await rig.tasks()).to.have.length(1);
      expect(waiting()).to.equal(3);
      expect(warnings()).to.have.length(1);
      expect(warnings()[0]!.fields).to.include({ rows: 3, row: '["layer","bad7"]' });

      await reporter.flush(never);
      expect(warnings(), 'said once').to.have.length(1);

      await rig.master.query('ALTER TABLE monitor_publishsyncstatus DROP CONSTRAINT no_bad');
      await reporter.flush(never);
      expect(await rig.layers()).to.have.length(120);
      expect(waiting()).to.equal(0);
    });

    it('a whole table, gets the others', async () => {
      const reporter = rig.reporter({
        settings: { user: await lesserUser(rig, 'report_tasks_only'), password: new Secret('lesser') },
      });
      for (let number = 0; number < 60; number += 1) reporter.jobEnded(layer('ws1', `l${number}`));
      reporter.jobEnded(layer('ws1', 'sat', { kind: 'wms_layer' }));
      reporter.jobEnded(failed('ws1', 'l3', 'no dump'));
      await reporter.flush(never);
      expect(await rig.layers()).to.deep.equal([]);
      expect(await rig.tasks()).to.have.length(1);
      expect(waiting()).to.equal(60);
      expect(warnings()[0]!.fields!['message']).to.match(/permission denied .* \[42501\]/);

      await rig.master.query('GRANT ALL ON monitor_publishsyncstatus TO report_tasks_only');
      await reporter.flush(never);
      expect(await rig.layers()).to.have.length(60);
      expect(waiting()).to.equal(0);
    });

    it('rows that somebody holds gets the others, and these later', async () => {
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'a', { jobId: 1 }));
      reporter.jobEnded(layer('ws1', 'b', { jobId: 1 }));
      await reporter.flush(never);
      const holder = await rig.master.client();
      await holder.query(`BEGIN; SELECT 1 FROM monitor_publishsyncstatus WHERE publish = 'a' FOR UPDATE`);
      reporter.jobEnded(layer('ws1', 'a', { jobId: 2 }));
      reporter.jobEnded(layer('ws1', 'b', { jobId: 2 }));
      await reporter.flush(never);
      await holder.end();
      expect(await rig.layer('b')).to.include({ deploied_job_id: 2 });
      expect(await rig.layer('a')).to.include({ deploied_job_id: 1 });
      await reporter.flush(never);
      expect(await rig.layer('a')).to.include({ deploied_job_id: 2 });
    });

    it('its password, names the reason without it', async () => {
      const password = new Secret('not-the-password');
      const reporter = rig.reporter({ settings: { password } });
      reporter.jobEnded(layer('ws1', 'a'));
      await reporter.flush(never);
      expect(warnings()[0]!.fields!['error']).to.match(/password authentication failed/);
      expect(JSON.stringify(rig.logged)).not.to.include(password.reveal());
      expect(waiting()).to.equal(1);
    });

    it('everything since it has no tables, gets everything when they are there', async () => {
      await rig.master.query(
        'DROP TABLE monitor_publishsyncstatus, monitor_tasksyncstatus, monitor_slaveserver',
      );
      const reporter = rig.reporter();
      reporter.jobEnded(layer('ws1', 'a'));
      await reporter.flush(never);
      expect(warnings()[0]!.fields!['error']).to.match(/monitor_slaveserver/);
      await initMaster(rig.settings, never);
      await reporter.flush(never);
      expect(await rig.layers()).to.have.length(1);
    });
  });

  it('sends everything again to a master that has forgotten this slave', async () => {
    const reporter = rig.reporter();
    reporter.jobEnded(layer('ws1', 'a'));
    reporter.jobEnded(failed('ws1', 'a', 'no dump'));
    reporter.jobEnded(layer('ws1', 'sat', { kind: 'wms_layer' }));
    await reporter.flush(never);
    const before = [await rig.layers(), await rig.tasks()];
    await rig.master.query(
      'TRUNCATE monitor_publishsyncstatus, monitor_tasksyncstatus, monitor_slaveserver RESTART IDENTITY',
    );
    reporter.heartbeat('poll');
    await reporter.flush(never);
    expect([await rig.layers(), await rig.tasks()]).to.deep.equal(before);
  });

  it('gives a master that is set up later what was done before', async () => {
    const slave = { name: 'slave-1', channels: [], codeVersion: '1' };
    const deps = { outbox: rig.outbox(), log: silentLogger, clock: systemClock, redact: (t: string) => t };
    const alone = new Reporter(undefined, slave, deps);
    alone.jobEnded(layer('ws1', 'a'));
    alone.heartbeat('poll');
    await alone.flush(never);

    await rig.reporter().flush(never);
    expect(await rig.layers()).to.have.length(1);
  });

  it('sends a row again that was sent when the process was killed before it could note that', async () => {
    const reporter = rig.reporter();
    reporter.jobEnded(layer('ws1', 'a'));
    reporter.jobEnded(layer('ws1', 'b', { kind: 'wms_layer' }));
    await reporter.flush(never);
    const before = [await rig.layers(), await rig.tasks(), (await rig.slaves()).length];
    // As the record looks when the master has taken the rows and nobody noted it.
    const outbox = rig.outbox();
    outbox.queueAll();
    expect(outbox.pending()).to.have.length(2);
    await rig.reporter().flush(never);
    expect([await rig.layers(), await rig.tasks(), (await rig.slaves()).length]).to.deep.equal(before);
    expect(outbox.pending()).to.deep.equal([]);
  });

  it('keeps what is being sent when the connection is cut', async () => {
    await slowDown(rig);
    const reporter = rig.reporter();
    for (let number = 0; number < 120; number += 1) reporter.jobEnded(layer('ws1', `l${number}`));
    const flush = reporter.flush(never);
    await systemClock.sleep(1_500);
    await rig.master.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slave-sync report'`,
    );
    await flush;
    const arrived = (await rig.layers()).length;
    expect(arrived).to.be.within(1, 119);
    expect(waiting()).to.equal(120 - arrived);
    await rig.master.query('DROP TRIGGER slow ON monitor_publishsyncstatus');
    await reporter.flush(never);
    expect(await rig.layers()).to.have.length(120);
  });

  it('survives kill -9 of the sender: nothing lost, nothing twice', async function () {
    this.timeout(60_000);
    await slowDown(rig);
    const reporter = rig.reporter();
    for (let number = 0; number < 200; number += 1) reporter.jobEnded(layer('ws1', `l${number}`));
    const script = `
      const { RecordDatabase } = await import('./src/state/database.js');
      const { Outbox } = await import('./src/state/outbox.js');
      const { Reporter } = await import('./src/report/reporter.js');
      const { Secret } = await import('./src/lib/secret.js');
      const { silentLogger } = await import('./src/lib/log.js');
      const { systemClock } = await import('./src/lib/clock.js');
      const [folder, settings] = JSON.parse(process.env.SENDER);
      const deps = { outbox: new Outbox(new RecordDatabase(folder)), log: silentLogger, clock: systemClock, redact: (t) => t };
      const slave = { name: 'slave-1', channels: [], codeVersion: '1' };
      const password = new Secret(process.env.SENDER_PASSWORD);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1500);
      await new Reporter({ ...settings, password }, slave, deps).flush(new AbortController().signal);`;
    const end = await run(
      process.execPath,
      ['--import', 'tsx/esm', '--input-type=module', '--eval', script],
      {
        env: {
          SENDER: JSON.stringify([rig.folder, rig.settings]),
          SENDER_PASSWORD: rig.settings.password!.reveal(),
        },
      },
    ).catch((error: unknown) => error);
    expect(String(end)).to.match(/SIGKILL/);
    expect(waiting(), 'killed in the middle').to.be.within(1, 199);
    await rig.master.query('DROP TRIGGER slow ON monitor_publishsyncstatus');
    await rig.reporter().flush(never);
    expect(new Set((await rig.layers()).map((row) => row['publish'])).size).to.equal(200);
    expect(await rig.layers()).to.have.length(200);
    expect(waiting()).to.equal(0);
  });

  it('ends right, whatever the master does in between', async function () {
    this.timeout(120_000);
    const cluster = await postgres();
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    const random = generator(seed);
    const pick = (count: number): number => Math.floor(random() * count);
    const expected = new Map<string, number>();
    let isUp = true;
    let reporter = rig.reporter();
    try {
      for (let step = 1; step <= 150; step += 1) {
        const name = `l${pick(12)}`;
        const finishedAt = new Date(Date.UTC(2026, 0, 1, 0, step));
        switch (pick(10)) {
          case 0:
            await (isUp ? cluster.stop('immediate') : cluster.start());
            isUp = !isUp;
            break;
          case 1:
            reporter = rig.reporter();
            break;
          case 2:
            if (isUp)
              await rig.master.query(
                `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slave-sync report'`,
              );
            break;
          case 3:
            reporter.jobEnded(layer('ws1', name, { action: 'remove', finishedAt }));
            expected.delete(name);
            break;
          case 4:
          case 5:
            await reporter.flush(never);
            break;
          default:
            reporter.jobEnded(layer('ws1', name, { jobId: step, finishedAt }));
            expected.set(name, step);
        }
      }
    } finally {
      if (!isUp) await cluster.start();
    }
    await rig.reporter().flush(never);
    const rows = (await rig.layers()).map((row) => [row['publish'], row['deploied_job_id']] as const);
    expect(new Map(rows as [string, number][]), `SEED=${seed}`).to.deep.equal(expected);
    expect(waiting()).to.equal(0);
  });

  it('does not send at the same time as another process', async () => {
    const reporter = rig.reporter();
    reporter.jobEnded(layer('ws1', 'a'));
    const other = acquireLock(`${rig.folder}/outbox`, { pid: 1, command: 'report', since: 'now' });
    await reporter.flush(never);
    expect(await rig.layers()).to.deep.equal([]);
    other.release();
    await reporter.flush(never);
    expect(await rig.layers()).to.have.length(1);
  });

  it('opens one connection in a run, and none when there is nothing to say', async () => {
    const reporter = rig.reporter();
    await reporter.flush(never);
    const count = async () =>
      (
        await rig.master.query(
          `SELECT pid FROM pg_stat_activity WHERE application_name = 'slave-sync report' AND datname = $1`,
          [rig.master.name],
        )
      ).map((row) => row['pid']);
    expect(await count()).to.deep.equal([]);
    reporter.heartbeat('poll');
    await reporter.flush(never);
    const [first] = await count();
    reporter.jobEnded(layer('ws1', 'a'));
    await reporter.flush(never);
    expect(await count()).to.deep.equal([first]);
  });

  it('sends the first sync of a large slave at one go', async function () {
    this.timeout(60_000);
    const reporter = rig.reporter();
    for (let number = 0; number < 1_000; number += 1) reporter.jobEnded(layer('ws1', `l${number}`));
    await reporter.flush(never);
    expect(waiting()).to.equal(0);
    expect(await rig.layers()).to.have.length(1_000);
  });
});

/** A trigger that makes the master so slow that there is something to interrupt. */
async function slowDown(rig: Rig): Promise<void> {
  await rig.master.query(`
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON monitor_publishsyncstatus FOR EACH ROW EXECUTE FUNCTION slow()`);
}

/** Numbers from 0 up to 1 that a seed repeats (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A server that takes connections and never says a word. */
async function listen(): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A role that may write two of the three tables. */
async function lesserUser(rig: Rig, name: string): Promise<string> {
  await rig.master.query(`CREATE ROLE ${name} LOGIN PASSWORD 'lesser'`);
  await rig.master.query(`GRANT ALL ON monitor_slaveserver, monitor_tasksyncstatus TO ${name}`);
  await rig.master.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${name}`);
  return name;
}
