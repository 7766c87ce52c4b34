import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/daemon.js';
import { postgres } from '../support/postgres.js';
import { tempDir } from '../support/temp.js';
import { failureOf, layoutOf, makeRig, md5Of, never, published, schemas } from './rig.js';

/** The server dies and comes back between the agent's preparation and a pg_restore that is slow to connect. */
describe('pgdump: a restore that outlives its server', () => {
  it('leaves a table that the next run knows as its own', async () => {
    const cluster = await postgres();
    const rig = await makeRig();
    const bin = await tempDir('bin');
    const [isReached, mayGoOn] = [join(bin, 'reached'), join(bin, 'go')];
    await writeFile(
      join(bin, 'pg_restore'),
      `#!/bin/sh
[ "$1" = --version ] || { : > ${isReached}; while [ ! -e ${mayGoOn} ]; do sleep 0.05; done; }
exec ${join(cluster.binDir, 'pg_restore')} "$@"
`,
    );
    await chmod(join(bin, 'pg_restore'), 0o755);
    // The log of a commit that does not wait for it stays in memory, and dies with the server.
    await rig.slave.query(`ALTER SYSTEM SET wal_writer_delay = '10s'`);
    await rig.slave.query('SELECT pg_reload_conf()');
    await delay(500);

    await rig.master.query('CREATE TABLE d.t (id int PRIMARY KEY); INSERT INTO d.t VALUES (1)');
    const dumpPath = await rig.dump('t');
    const request = { ...schemas, table: 't', dumpPath, md5: await md5Of(dumpPath), jobId: 'j' };
    const failure = failureOf(rig.other({ pgBinDir: bin }).publishTable(request, never));
    expect(await until(() => existsSync(isReached), 20_000)).to.equal(true);
    await cluster.stop('immediate');
    await cluster.start();
    await cluster.ready();
    await writeFile(mayGoOn, '');
    expect(await failure).to.include({ reason: 'connection', retry: 'transient' });
    expect(await layoutOf(rig.slave, 't'), 'it was restored all the same').to.deep.equal(['d.t r']);

    expect(await rig.other({}).publishTable(request, never)).to.include({ change: 'created' });
    expect(await layoutOf(rig.slave, 't')).to.deep.equal(published('t'));
    await rig.slave.query('ALTER SYSTEM RESET wal_writer_delay');
    await rig.slave.query('SELECT pg_reload_conf()');
    await rig.close();
  });
});
