import { expect } from 'chai';
import { createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { readFile, readdir } from 'node:fs/promises';
import { Secret } from '../../src/lib/secret.js';
import { failureOf, makeRig, md5Of, never, schemas, type Rig } from './rig.js';

describe('pgdump/connections', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    await rig.master.query('CREATE TABLE d.t (id int); INSERT INTO d.t SELECT generate_series(1, 300000)');
  });
  after(() => rig.close());

  it('a server that is down is a transient failure', async () => {
    const database = rig.other({ port: 1 });
    expect(await failureOf(database.ensureExtension(never))).to.include({
      reason: 'connection',
      retry: 'transient',
    });
  });

  it('a server that closes the connection, or says nothing until the signal fires, too', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      if (sockets.size === 1) socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const database = rig.other({ port: typeof address === 'object' && address ? address.port : 0 });
    try {
      expect(await failureOf(database.ensureExtension(never))).to.include({
        reason: 'connection',
        retry: 'transient',
      });
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 100);
      const start = Date.now();
      expect(await failureOf(database.ensureExtension(controller.signal))).to.include({
        reason: 'cancelled',
      });
      expect(Date.now() - start).to.be.below(3_000);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('a wrong password is reported without it, with a hint', async () => {
    const database = rig.other({ password: new Secret('wr0ng-password') });
    const failure = await failureOf(database.ensureExtension(never));
    expect(failure).to.include({ reason: 'connection', retry: 'remote' });
    expect(failure.hint).to.contain('GEOSERVER_PGSQL');
    expect(inspect(failure)).not.to.contain('wr0ng-password');
  });

  it('connections that the server ended are replaced', async () => {
    await rig.database.ensureExtension(never);
    await rig.slave.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slave-sync' AND pid <> pg_backend_pid()`,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await rig.database.ensureExtension(never)).to.equal('unchanged');
  });

  it('no password is on the command line of pg_restore, and no PG* variable of the agent reaches it', async () => {
    const file = await rig.dump('t');
    const before = { ...process.env };
    Object.assign(process.env, {
      PGHOST: 'nowhere',
      PGOPTIONS: '-c nonsense=1',
      PGSERVICE: 'none',
      PGPASSWORD: 'other',
      PGDATABASE: 'x',
    });
    try {
      const publishing = rig.database.publishTable(
        { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' },
        never,
      );
      const seen: string[] = [];
      const state = { done: false };
      const watch = (async () => {
        while (!state.done)
          for (const pid of await readdir('/proc')) {
            if (!/^\d+$/.test(pid)) continue;
            const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
            if (line.includes('pg_restore') && line.includes(file)) seen.push(line);
          }
      })();
      expect(await publishing.finally(() => (state.done = true))).to.include({ change: 'created' });
      await watch;
      expect(seen.length).to.be.above(0);
      expect(seen.filter((line) => line.includes(rig.slave.password))).to.deep.equal([]);
    } finally {
      for (const name of ['PGHOST', 'PGOPTIONS', 'PGSERVICE', 'PGPASSWORD', 'PGDATABASE'])
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
    }
  });
});
