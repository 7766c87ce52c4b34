import { expect } from 'chai';
import { checkFreeSpace } from '../../src/pgdump/free-space.js';
import { restoreMark } from '../../src/pgdump/restore.js';
import { failureOf, layoutOf, makeRig, md5Of, never, published, schemas, type Rig } from './rig.js';

/** Whatever a crash, the original agent or a person left behind, one publication reaches the end. */
describe('pgdump: states found', () => {
  let rig: Rig;
  let t: string;
  let file: string;
  let number = 0;
  before(async () => {
    rig = await makeRig();
  });
  after(() => rig.close());
  beforeEach(async () => {
    t = `t${++number}`;
    await rig.master.query(
      `CREATE TABLE d.${t} (id int PRIMARY KEY, v text); INSERT INTO d.${t} VALUES (1, 'new')`,
    );
    file = await rig.dump(t);
  });

  const OLD = `(id int PRIMARY KEY, v text)`;
  /** Written before any restore: what has one is this slave's. */
  const entry = (t: string) => `INSERT INTO borg_slave.layer (data_schema, table_name) VALUES ('d', '${t}')`;
  const states: Record<string, (t: string) => string> = {
    'nothing at all': () => 'SELECT 1',
    'table and view of the original agent, without bookkeeping': (t) =>
      `CREATE TABLE d.${t} ${OLD}; CREATE VIEW s.${t} AS SELECT * FROM d.${t}`,
    'set aside, the restore never finished': (t) =>
      `CREATE TABLE o.${t} ${OLD}; CREATE VIEW s.${t} AS SELECT * FROM o.${t}`,
    'restored beside, not verified': (t) =>
      `CREATE TABLE o.${t} ${OLD}; CREATE VIEW s.${t} AS SELECT * FROM o.${t}; CREATE TABLE d.${t} (wrong int)`,
    'the original agent died before it dropped the old table': (t) =>
      `CREATE TABLE o.${t} ${OLD}; CREATE TABLE d.${t} ${OLD}; CREATE VIEW s.${t} AS SELECT * FROM d.${t}`,
    'a restored table that never got its view': (t) => `${entry(t)}; CREATE TABLE d.${t} (wrong int)`,
    'both tables, the view was dropped by hand': (t) =>
      `${entry(t)}; CREATE TABLE o.${t} ${OLD}; CREATE TABLE d.${t} ${OLD}`,
    'only the old table, the view was dropped by hand': (t) => `${entry(t)}; CREATE TABLE o.${t} ${OLD}`,
  };
  for (const [name, make] of Object.entries(states))
    it(name, async () => {
      await rig.slave.query(make(t));
      await rig.publish(t, file);
      expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
      expect(await rig.slave.query(`SELECT * FROM s.${t}`)).to.deep.equal([{ id: 1, v: 'new' }]);
      expect(await rig.publish(t, file)).to.include({ change: 'unchanged' });
    });

  it('refuses a table that this slave knows nothing of and no view of its shows, and leaves it as it is', async () => {
    await rig.slave.query(`CREATE TABLE d.${t} (theirs int); INSERT INTO d.${t} VALUES (7)`);
    const failure = await failureOf(rig.publish(t, file));
    expect(failure).to.include({ retry: 'final' });
    expect(failure.message).to.match(/was not published by this slave/);
    expect(await rig.slave.query(`SELECT theirs FROM d.${t}`)).to.deep.equal([{ theirs: 7 }]);
    await rig.slave.query(`DROP TABLE d.${t}`);
  });

  it('a verified copy of this very dump is exchanged without a second restore, one of another dump is not', async () => {
    await rig.publish(t, file);
    await rig.slave.query(`CREATE VIEW public.stop_${t} AS SELECT v FROM s.${t}`);
    await rig.master.query(`ALTER TABLE d.${t} DROP COLUMN v`);
    const second = await rig.dump(t);
    await failureOf(rig.publish(t, second));
    const staged = async () => (await rig.slave.query(`SELECT to_regclass('d.${t}')::oid AS oid`))[0]!['oid'];
    const waiting = await staged();
    await rig.master.query(`INSERT INTO d.${t} VALUES (2)`);
    const third = await rig.dump(t);
    await failureOf(rig.publish(t, third));
    expect(await staged()).not.to.equal(waiting);
    const latest = await staged();
    await rig.slave.query(`DROP VIEW public.stop_${t}`);
    expect(await rig.publish(t, third)).to.include({ change: 'recreated' });
    expect(await staged()).to.equal(latest);
  });

  it('keys that were prepared for an exchange that never came do not stay', async () => {
    await rig.publish(t, file);
    await rig.slave
      .query(`CREATE TABLE public.c_${t} (id int REFERENCES d.${t}); INSERT INTO public.c_${t} VALUES (1);
      CREATE VIEW public.stop_${t} AS SELECT v FROM s.${t}`);
    await rig.master.query(`ALTER TABLE d.${t} DROP COLUMN v`);
    await failureOf(rig.publish(t)); // leaves a verified copy and a prepared key
    const keys = () =>
      rig.slave.query(`SELECT conname AS name, confrelid::regclass::text AS target FROM pg_constraint
                        WHERE conrelid = 'public.c_${t}'::regclass ORDER BY 1`);
    expect(await keys()).to.have.length(2);
    await rig.slave.query(`DROP VIEW public.stop_${t}`);
    await rig.master.query(`INSERT INTO d.${t} VALUES (2)`);
    await rig.publish(t);
    expect(await keys()).to.deep.equal([{ name: `c_${t}_id_fkey`, target: `d.${t}` }]);
  });

  it('a restore that a killed agent left running is ended first', async () => {
    const orphan = await rig.slave.client();
    const { rows } = await orphan.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await orphan.query(`SET application_name = '${restoreMark('d', t)}'`);
    await orphan.query(`BEGIN; CREATE TABLE d.${t} (id int)`);
    expect(await rig.publish(t, file)).to.include({ change: 'created' });
    expect(
      await rig.slave.query('SELECT FROM pg_stat_activity WHERE pid = $1', [rows[0]!.pid]),
    ).to.deep.equal([]);
    await orphan.end();
  });

  it('bookkeeping that was deleted, and functions of another version, are made again', async () => {
    await rig.publish(t, file);
    await rig.slave.query('DROP SCHEMA borg_slave CASCADE');
    // In the middle of a run it is noticed when something fails for it.
    expect(await failureOf(rig.publish(t, file))).to.include({ reason: 'conflict', retry: 'transient' });
    expect(await rig.publish(t, file)).to.include({ change: 'replaced' });
    await rig.slave.query(`COMMENT ON SCHEMA borg_slave IS 'slave-sync 0'; DROP FUNCTION borg_slave.swap`);
    await rig.master.query(`INSERT INTO d.${t} VALUES (2)`);
    expect(await failureOf(rig.publish(t))).to.include({ reason: 'conflict', retry: 'transient' });
    expect(await rig.publish(t)).to.include({ change: 'replaced' });
  });

  it('a table of the same name in another data schema, just set aside into the same outdated schema, is left alone', async () => {
    const other = rig.other({ lockWaitMs: 200 });
    const places = { schema: 's2', dataSchema: 'd', outdatedSchema: 'o' };
    await other.ensureSchemas({ ...schemas, dataSchema: 'd2', authLevel: 1 }, never);
    await rig.publish(t, file);
    await rig.slave.query(
      `ALTER TABLE d.${t} SET SCHEMA o; UPDATE borg_slave.layer SET data_schema = 'd2' WHERE table_name = '${t}'`,
    );
    await other.ensureSchemas({ ...places, authLevel: 1 }, never);
    const request = { ...places, table: t, dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    expect(await failureOf(other.publishTable(request, never))).to.include({
      reason: 'locked',
      retry: 'transient',
    });
    expect(await other.removeTable({ ...places, table: t }, never)).to.equal('unchanged');
    expect(await rig.slave.query(`SELECT FROM s.${t}`)).to.have.length(1);
  });

  it('a disk that is too small is noticed before anything is touched', async () => {
    const [row] = await rig.slave.query<{ path: string }>(`SELECT current_setting('data_directory') AS path`);
    const server = { dataDirectory: row!.path };
    const fits = { size: 1_000, format: 'custom' } as const;
    const huge = { size: 1e18, format: 'custom' } as const;
    await checkFreeSpace(rig.settings, server, fits);
    expect(await failureOf(checkFreeSpace(rig.settings, server, huge))).to.include({
      reason: 'disk-full',
      retry: 'transient',
    });
    // Another machine's disk, an unknown one, one that can't be looked at: nothing to say.
    await checkFreeSpace({ host: 'db.example.org' }, server, huge);
    await checkFreeSpace(rig.settings, { dataDirectory: undefined }, huge);
    await checkFreeSpace(rig.settings, { dataDirectory: '/none' }, huge);
  });
});
