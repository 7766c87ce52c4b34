import { expect } from 'chai';
import { chown, stat } from 'node:fs/promises';
import { postgres } from '../support/postgres.js';
import { SmallDisk } from '../support/small-disk.js';
import { failureOf, layoutOf, makeRig, never, published, type Rig } from './rig.js';

const MiB = 2 ** 20;

describe('pgdump: the disk of the database is full', function () {
  this.timeout(60_000);
  let rig: Rig;
  let disk: SmallDisk | undefined;
  const rows = async (): Promise<unknown> =>
    (await rig.slave.query('SELECT count(*)::int AS n, min(v) AS v FROM s.roads'))[0];

  before(async function () {
    disk = await SmallDisk.mount(64);
    if (disk === undefined) this.skip();
    rig = await makeRig();
    const admin = await (await postgres()).admin();
    const { rows: settings } = await admin.query<{ path: string }>(
      `SELECT current_setting('data_directory') AS path`,
    );
    const owner = await stat(settings[0]?.path ?? '');
    await chown(disk.folder, owner.uid, owner.gid);
    await admin.query(`CREATE TABLESPACE small LOCATION '${disk.folder}'`);
    await admin.query(`ALTER DATABASE ${rig.slave.name} SET default_tablespace = small`);
    await admin.end();
    await rig.master.query(
      `CREATE TABLE d.roads AS SELECT i AS id, 1 AS v, repeat('x', 900) AS text FROM generate_series(1, 1000) i`,
    );
    await rig.other({}).ensureSchemas({ schema: 's', dataSchema: 'd', outdatedSchema: 'o' }, never);
    expect(await rig.publish('roads')).to.include({ change: 'created' });
  });
  after(async () => {
    if (disk === undefined) return;
    await rig.close();
    const admin = await (await postgres()).admin();
    await admin.query('DROP TABLESPACE small').finally(() => admin.end());
  });

  it('the old rows stay, nothing is left behind, and with room again the new ones come', async () => {
    // 30 MiB of rows, for which a few are left.
    await rig.master.query(
      `UPDATE d.roads SET v = 2;
       INSERT INTO d.roads SELECT i, 2, repeat(md5(i::text), 28) FROM generate_series(1001, 30000) i`,
    );
    const file = await rig.dump('roads');
    await disk?.fill(12 * MiB);
    for (let i = 0; i < 2; i += 1)
      expect(await failureOf(rig.publish('roads', file))).to.include({
        reason: 'disk-full',
        retry: 'transient',
        hint: 'Make room on the disk of the database.',
      });
    expect(await rows()).to.deep.equal({ n: 1000, v: 1 });
    await disk?.empty();
    expect(await rig.publish('roads', file)).to.include({ change: 'replaced' });
    expect(await rows()).to.deep.equal({ n: 30_000, v: 2 });
    expect(await layoutOf(rig.slave, 'roads')).to.deep.equal(published('roads'));
  });
});
