import { expect } from 'chai';
import { join } from 'node:path';
import { dumpTable } from '../../src/pgdump/dump.js';
import { tempDir } from '../support/temp.js';
import {
  environmentOf,
  failureOf,
  layoutOf,
  makeRig,
  md5Of,
  never,
  published,
  schemas,
  type Rig,
} from './rig.js';

describe('pgdump/publish', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
  });
  after(() => rig.close());

  const makeTable = async (table: string, rows = 10): Promise<void> => {
    await rig.master.query(
      `DROP TABLE IF EXISTS d."${table}"; CREATE TABLE d."${table}" (id int PRIMARY KEY, name text)`,
    );
    await rig.master.query(
      `INSERT INTO d."${table}" SELECT i, 'row ' || i FROM generate_series(1, ${rows}) i`,
    );
  };
  const count = async (table: string): Promise<number> =>
    Number((await rig.slave.query(`SELECT count(*) AS n FROM s."${table}"`))[0]!['n']);
  const oidOf = async (name: string): Promise<unknown> =>
    (await rig.slave.query('SELECT $1::regclass::oid AS oid', [name]))[0]!['oid'];

  it('makes table and view the first time, and exchanges the table behind the same view later', async () => {
    await makeTable('first');
    expect(await rig.publish('first')).to.deep.equal({
      change: 'created',
      columnsChanged: false,
      rebuiltViews: 0,
      warnings: [],
    });
    const view = await oidOf('s.first');
    await rig.master.query(`INSERT INTO d.first VALUES (11, 'new')`);
    expect(await rig.publish('first')).to.include({ change: 'replaced', columnsChanged: false });
    expect(await count('first')).to.equal(11);
    expect(await oidOf('s.first')).to.equal(view);
    expect(await layoutOf(rig.slave, 'first')).to.deep.equal(published('first'));
  });

  it('keeps indexes, serial columns, defaults, generated columns and comments of the dump, time after time', async () => {
    await rig.master.query(`
      CREATE TABLE d.rich (id serial PRIMARY KEY, code text UNIQUE DEFAULT 'x''y', n int GENERATED ALWAYS AS IDENTITY,
                           twice int GENERATED ALWAYS AS (n * 2) STORED, geom geometry(Point, 4326), CHECK (n > 0));
      COMMENT ON TABLE d.rich IS 'rich'; COMMENT ON COLUMN d.rich.code IS 'the code';
      CREATE INDEX rich_geom ON d.rich USING gist (geom);
      INSERT INTO d.rich (code, geom) VALUES ('a', ST_SetSRID(ST_MakePoint(1, 2), 4326))`);
    for (const code of ['b', 'c', 'd']) {
      await rig.publish('rich');
      await rig.master.query('INSERT INTO d.rich (code) VALUES ($1)', [code]);
    }
    const [facts] = await rig.slave.query(`
      SELECT (SELECT count(*)::int FROM pg_index WHERE indrelid = 'd.rich'::regclass) AS indexes,
             (SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'd.rich'::regclass) AS constraints,
             pg_get_serial_sequence('d.rich', 'id') AS sequence, obj_description('d.rich'::regclass) AS comment,
             (SELECT max(twice) FROM s.rich) AS twice,
             (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'o') AS left`);
    expect(facts).to.deep.equal({
      indexes: 3,
      constraints: 3,
      sequence: 'd.rich_id_seq',
      comment: 'rich',
      twice: 6,
      left: 0,
    });
  });

  it('restores a tar archive', async () => {
    await makeTable('tarred');
    expect(await rig.publish('tarred', await rig.dump('tarred', 'tar'))).to.include({ change: 'created' });
    expect(await count('tarred')).to.equal(10);
    // Another dump of the same rows.
    expect(await rig.publish('tarred', await rig.dump('tarred', 'tar'))).to.include({ change: 'unchanged' });
  });

  it('does nothing when this dump is live, without even looking at the file', async () => {
    await makeTable('same');
    const file = await rig.dump('same');
    await rig.publish('same', file);
    const before = await oidOf('d.same');
    expect(await rig.publish('same', '/nowhere', await md5Of(file))).to.include({ change: 'unchanged' });
    expect(await oidOf('d.same')).to.equal(before);
  });

  it('does nothing when the dump differs in its time only, and remembers its sum', async () => {
    await makeTable('later');
    await rig.publish('later');
    const before = await oidOf('d.later');
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // the header holds seconds
    const again = await rig.dump('later');
    expect(await rig.publish('later', again)).to.include({ change: 'unchanged' });
    expect(await oidOf('d.later')).to.equal(before);
    expect(await rig.publish('later', '/nowhere', await md5Of(again))).to.include({ change: 'unchanged' });
  });

  it('restores again when the catalog is not as recorded', async () => {
    await makeTable('touched');
    const file = await rig.dump('touched');
    await rig.publish('touched', file);
    await rig.slave.query('DROP VIEW s.touched');
    expect(await rig.publish('touched', file)).to.include({ change: 'created' });
    await rig.slave.query('DROP VIEW s.touched; DROP TABLE d.touched');
    expect(await rig.publish('touched', file)).to.include({ change: 'created' });
    expect(await count('touched')).to.equal(10);
  });

  for (const name of [
    'Upper Case',
    'with.dot',
    "quo'te",
    'dou"ble',
    'grün 道路',
    'select',
    'st*r',
    '$$',
    '100%',
    'a=b',
    '-x',
    'n'.repeat(63),
    'ü'.repeat(31),
  ])
    it(`publishes, republishes and removes a table named ${name}`, async () => {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      await rig.master.query(`CREATE TABLE d.${quoted} (id int PRIMARY KEY, "sp ace" text)`);
      await rig.master.query(`INSERT INTO d.${quoted} VALUES (1, 'a')`);
      expect(await rig.publish(name)).to.include({ change: 'created' });
      await rig.master.query(`INSERT INTO d.${quoted} VALUES (2, 'b')`);
      expect(await rig.publish(name)).to.include({ change: 'replaced' });
      expect(await rig.slave.query(`SELECT * FROM s.${quoted}`)).to.have.length(2);
      expect(await layoutOf(rig.slave, name)).to.deep.equal(published(name));
      expect(await rig.database.removeTable({ ...schemas, table: name }, never)).to.equal('updated');
      expect(await layoutOf(rig.slave, name)).to.deep.equal([]);
    });

  it('refuses names that PostgreSQL would cut, empty ones, and control characters, before anything is touched', async () => {
    for (const table of ['n'.repeat(64), 'ü'.repeat(32), '', 'line\nend', 'nul\0'])
      expect(await failureOf(rig.publish(table, '/nowhere', 'x'))).to.include({
        reason: 'invalid-task-file',
        retry: 'final',
      });
  });

  it('removes nothing from a reserved schema, where nothing was ever published', async () => {
    await rig.slave.query('CREATE TABLE public.theirs (id int)');
    const address = { ...schemas, dataSchema: 'public', table: 'theirs' };
    expect(await rig.database.removeTable(address, never)).to.equal('unchanged');
    expect(await rig.slave.query('SELECT FROM public.theirs')).to.deep.equal([]);
    await rig.slave.query('DROP TABLE public.theirs');
  });

  it('refuses schemas that collide or are reserved', async () => {
    const refuse = async (changes: Partial<typeof schemas>) =>
      expect(
        await failureOf(
          rig.database.publishTable(
            { ...schemas, ...changes, table: 't', dumpPath: '/nowhere', md5: 'x', jobId: 'j' },
            never,
          ),
        ),
      ).to.include({ reason: 'invalid-task-file', retry: 'final' });
    await refuse({ schema: 'd' });
    await refuse({ outdatedSchema: 'd' });
    await refuse({ schema: 'pg_catalog' });
    await refuse({ dataSchema: 'borg_slave' });
  });

  it('refuses when something else has the name, and touches nothing', async () => {
    await makeTable('taken');
    const file = await rig.dump('taken');
    const cases = [
      ['CREATE TABLE s.taken (x int)', 's.taken exists and is a table, not a view', 'DROP TABLE s.taken'],
      ['CREATE VIEW s.taken AS SELECT 1 AS x', 'does not read this table', 'DROP VIEW s.taken'],
      [
        'CREATE VIEW d.taken AS SELECT 1 AS x',
        'd.taken exists and is not an ordinary table',
        'DROP VIEW d.taken',
      ],
      ['CREATE SEQUENCE o.taken', 'o.taken exists and is not an ordinary table', 'DROP SEQUENCE o.taken'],
    ] as const;
    for (const [make, message, clear] of cases) {
      await rig.slave.query(make);
      const layout = await layoutOf(rig.slave, 'taken');
      const failure = await failureOf(rig.publish('taken', file));
      expect(failure).to.include({ reason: 'conflict', retry: 'final' });
      expect(failure.message).to.contain(message);
      expect(await layoutOf(rig.slave, 'taken')).to.deep.equal(layout);
      await rig.slave.query(clear);
    }
    expect(await rig.publish('taken', file)).to.include({ change: 'created' });
  });

  it('follows a task file that moves the table to another data schema', async () => {
    await makeTable('moving');
    await rig.publish('moving');
    await rig.slave.query('GRANT SELECT ON s.moving TO sso_access; COMMENT ON VIEW s.moving IS $$kept$$');
    const view = await oidOf('s.moving');
    await rig.database.ensureSchemas({ ...schemas, dataSchema: 'd2', authLevel: 1 }, never);
    await rig.master.query('CREATE SCHEMA d2; ALTER TABLE d.moving SET SCHEMA d2');
    const file = join(await tempDir('dump'), 'moving.db');
    await dumpTable({ schema: 'd2', table: 'moving', file, env: environmentOf(rig.master) }, never);
    const request = {
      ...schemas,
      dataSchema: 'd2',
      table: 'moving',
      dumpPath: file,
      md5: await md5Of(file),
      jobId: 'j',
    };
    expect(await rig.database.publishTable(request, never)).to.include({ change: 'replaced' });
    expect(await oidOf('s.moving')).to.equal(view);
    expect(await layoutOf(rig.slave, 'moving')).to.deep.equal(['s.moving v']);
    expect(await count('moving')).to.equal(10);
  });

  it('keeps the old rows and the old layout when a dump can not be restored', async () => {
    await makeTable('broken');
    await rig.publish('broken');
    await rig.master.query(`CREATE TYPE public.mood AS ENUM ('fine')`);
    await rig.master.query('ALTER TABLE d.broken ADD COLUMN mood public.mood');
    // Made with pg_dump itself: dumpTable would refuse.
    const failure = await failureOf(rig.publish('broken', await rig.dump('broken', 'tar')));
    // The operator may make the type here, or the master leave it out: worth trying again.
    expect(failure).to.include({ reason: 'database', retry: 'remote' });
    expect(failure.message).to.contain('mood');
    expect(await layoutOf(rig.slave, 'broken')).to.deep.equal(published('broken'));
    expect(await count('broken')).to.equal(10);
  });

  it('refuses a dump of another table, of a view, of a partitioned table, and of several tables', async () => {
    await makeTable('one');
    await makeTable('two');
    await rig.publish('one');
    const refuse = async (file: string, message: string) => {
      const failure = await failureOf(rig.publish('one', file));
      expect(failure).to.include({ reason: 'invalid-data', retry: 'final' });
      expect(failure.message).to.contain(message);
      expect(await layoutOf(rig.slave, 'one')).to.deep.equal(published('one'));
    };
    await refuse(await rig.dump('two'), 'd.two');
    await rig.master.query('CREATE VIEW d.seen AS SELECT 1 AS x');
    await refuse(await rig.dump('seen', 'tar'), 'view');
    await rig.master.query('CREATE TABLE d.parts (id int) PARTITION BY RANGE (id)');
    await refuse(await rig.dump('parts', 'tar'), 'd.parts');
  });

  it('publishes two tables at once', async () => {
    const tables = ['p1', 'p2', 'p3', 'p4'];
    for (const table of tables) await makeTable(table, 2_000);
    for (let round = 0; round < 2; round++) {
      await Promise.all(tables.map(async (table) => rig.publish(table)));
      for (const table of tables)
        await rig.master.query(`INSERT INTO d.${table} VALUES (-${round} - 1, 'more')`);
    }
    for (const table of tables) expect(await count(table)).to.equal(2_001);
  });

  it('stops at once when the signal fires, and goes on from there', async () => {
    await makeTable('stopped', 200_000);
    const file = await rig.dump('stopped');
    const md5 = await md5Of(file);
    const controller = new AbortController();
    const publishing = rig.database.publishTable(
      { ...schemas, table: 'stopped', dumpPath: file, md5, jobId: 'j' },
      controller.signal,
    );
    setTimeout(() => controller.abort(new Error('stop')), 60);
    expect(await failureOf(publishing)).to.include({ reason: 'cancelled', retry: 'transient' });
    expect(await rig.publish('stopped', file, md5)).to.include({ change: 'created' });
    expect(await count('stopped')).to.equal(200_000);
  });
});
