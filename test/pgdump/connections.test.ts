import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Secret } from '../../src/lib/secret.js';
import { postgres } from '../support/postgres.js';
import { tempDir } from '../support/temp.js';
import { failureOf, makeRig, md5Of, never, schemas, type Rig } from './rig.js';

/** What a server says when a password is not asked for, and when it waits for a query. */
const AUTHENTICATED = messageOf('R', Buffer.alloc(4));
const READY = messageOf('Z', Buffer.from('I'));
const [PARSED, BOUND, NO_ROWS] = ['1', '2', 'n'].map((type) => messageOf(type, Buffer.alloc(0))) as [
  Buffer,
  Buffer,
  Buffer,
];
const DONE = messageOf('C', Buffer.from('SET\0'));
const SHUTDOWN = messageOf('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));

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

  it('a server that ends a session in the moment in which it is lent ends nothing else', async () => {
    const server = createServer((socket) =>
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, SHUTDOWN]))),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const database = rig.other({ port: typeof address === 'object' && address ? address.port : 0 });
    // An error that nobody listens to would end the process, and fails this test.
    expect(await failureOf(database.ensureExtension(never))).to.include({ retry: 'transient' });
    server.close();
  });

  it('a server that does not answer our good-bye is not waited for', async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write(Buffer.concat([AUTHENTICATED, READY]));
        socket.on('data', (message: Buffer) => {
          const kind = message.toString('latin1', 0, 1);
          if (kind === 'P') socket.write(Buffer.concat([PARSED, BOUND, NO_ROWS, DONE, READY]));
          else if (kind === 'Q') socket.write(Buffer.concat([DONE, READY]));
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const database = rig.other({ port: typeof address === 'object' && address ? address.port : 0 });
    const first = await Promise.race([
      database.runScript({ sql: 'SELECT 1' }, never).then(() => 'the script'),
      sleep(6000, 'the clock'),
    ]);
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(first).to.equal('the script');
  }).timeout(10_000);

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
    const pgBinDir = await tempDir('bin');
    const { binDir } = await postgres();
    await writeFile(
      join(pgBinDir, 'pg_restore'),
      `#!/bin/sh\n[ "$1" = --version ] || { echo "$@" > ${pgBinDir}/args; env > ${pgBinDir}/env; }\nexec ${binDir}/pg_restore "$@"\n`,
      { mode: 0o755 },
    );
    const hostile = {
      PGHOST: 'nowhere',
      PGOPTIONS: '-c nonsense=1',
      PGSERVICE: 'none',
      PGPASSWORD: 'other',
      PGDATABASE: 'x',
    };
    const before = { ...process.env };
    Object.assign(process.env, hostile);
    try {
      const request = { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
      expect(await rig.other({ pgBinDir }).publishTable(request, never)).to.include({ change: 'created' });
    } finally {
      for (const name of Object.keys(hostile))
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
    }
    expect(await readFile(join(pgBinDir, 'args'), 'utf8'))
      .to.contain(file)
      .and.not.contain(rig.slave.password);
    const env = await readFile(join(pgBinDir, 'env'), 'utf8');
    expect(env.match(/^PG\w+/gm)!.sort()).to.deep.equal([
      ...['PGAPPNAME', 'PGCONNECT_TIMEOUT', 'PGHOST', 'PGOPTIONS', 'PGPASSWORD', 'PGPORT', 'PGUSER'],
    ]);
    expect(env).not.to.contain('nonsense');
  });
});

/** A message of the server (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
function messageOf(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}
