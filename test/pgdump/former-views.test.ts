import { expect } from 'chai';
import { join } from 'node:path';
import { dumpTable } from '../../src/pgdump/dump.js';
import { tempDir } from '../support/temp.js';
import { environmentOf, failureOf, makeRig, md5Of, never, schemas, type Rig } from './rig.js';

/** A task file moves its access view to another schema. */
describe('pgdump: former access views', () => {
  const moved = { ...schemas, schema: 's2' };
  let rig: Rig;
  let t: string;
  let number = 0;
  before(async () => {
    rig = await makeRig();
    for (const place of [moved, { ...schemas, schema: 's3' }, { ...schemas, dataSchema: 'd2' }])
      await rig.database.ensureSchemas({ ...place, authLevel: 1 }, never);
    await rig.slave.query(`CREATE SCHEMA mine;
      CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$`);
  });
  after(() => rig.close());
  beforeEach(async () => {
    t = `t${++number}`;
    await rig.master.query(`CREATE TABLE d.${t} (id int PRIMARY KEY, "a ""name" text, size int)`);
    await rig.master.query(`INSERT INTO d.${t} SELECT i, 'n' || i, i FROM generate_series(1, 5) i`);
    await rig.publish(t);
  });

  const slave = async (sql: string) => rig.slave.query(sql.replaceAll('{t}', t));
  const master = async (sql: string) => rig.master.query(sql.replaceAll('{t}', t));
  const publishAt = async (place: typeof schemas, file?: string, database = rig.database) => {
    const dumpPath = file ?? (await rig.dump(t));
    return database.publishTable(
      { ...place, table: t, dumpPath, md5: await md5Of(dumpPath), jobId: 'j' },
      never,
    );
  };
  const remove = async (place: typeof schemas, database = rig.database) =>
    database.removeTable({ ...place, table: t }, never);
  /** Every relation of this name, wherever. */
  const places = async () =>
    (
      await slave(`SELECT n.nspname || '.' || relname || ' ' || relkind::text AS place
                     FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = '{t}' ORDER BY 1`)
    ).map((row) => row['place']);
  const warning = (named: string) =>
    `The former access view s.${t} stays, since others have built on it: ${named}.`;

  it('go with the exchange, and the layer can be removed', async () => {
    const file = await rig.dump(t);
    expect(await publishAt(moved, file)).to.deep.equal({
      change: 'created',
      columnsChanged: false,
      rebuiltViews: 0,
      warnings: [],
    });
    expect(await places()).to.deep.equal([`d.${t} r`, `s2.${t} v`]);
    expect(await slave('SELECT * FROM s2.{t}')).to.have.length(5);
    expect(await publishAt(moved, file)).to.include({ change: 'unchanged' });
    expect(await remove(moved)).to.equal('updated');
    expect(await places()).to.deep.equal([]);
  });

  it('go with columns that change at the same time, and when the view moves back', async () => {
    await master('ALTER TABLE d.{t} ALTER id TYPE bigint, DROP COLUMN size');
    await publishAt(moved);
    expect(await places()).to.deep.equal([`d.${t} r`, `s2.${t} v`]);
    await publishAt(schemas);
    expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`]);
  });

  it('go with the removal, whichever of the schemas it names', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT id FROM s.{t}');
    await publishAt(moved);
    await slave('DROP VIEW mine.v_{t}');
    expect(await remove({ ...schemas, schema: 's3' })).to.equal('updated');
    expect(await places()).to.deep.equal([]);
  });

  it('go with a removal after a restore for the new schema never finished', async () => {
    await slave('ALTER TABLE d.{t} SET SCHEMA o');
    expect(await remove(moved)).to.equal('updated');
    expect(await places()).to.deep.equal([]);
  });

  it('serve the old rows when the exchange fails', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT size FROM d.{t}');
    await master('ALTER TABLE d.{t} DROP COLUMN size');
    const file = await rig.dump(t);
    expect(await failureOf(publishAt(moved, file))).to.include({ reason: 'conflict', retry: 'remote' });
    expect(await slave('SELECT size FROM s.{t}')).to.have.length(5);
    await slave('DROP VIEW mine.v_{t}');
    await publishAt(moved, file);
    expect(await places()).to.deep.equal([`d.${t} r`, `s2.${t} v`]);
  });

  it('and their table are where they were when the dump can not be restored', async () => {
    await rig.master.query(`CREATE TYPE public.mood_${t} AS ENUM ('fine')`);
    await master('ALTER TABLE d.{t} ADD COLUMN mood public.mood_{t}');
    // Made with pg_dump itself: dumpTable would refuse.
    const failure = await failureOf(publishAt(moved, await rig.dump(t, 'tar')));
    expect(failure).to.include({ reason: 'database', retry: 'remote' });
    expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`]);
    expect(await slave('SELECT * FROM s.{t}')).to.have.length(5);
  });

  it('stay while others build on them, follow the columns, and go when nobody does any more', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT id FROM s.{t}');
    const file = await rig.dump(t);
    expect((await publishAt(moved, file)).warnings).to.deep.equal([warning(`view mine.v_${t}`)]);
    expect(await publishAt(moved, file)).to.deep.include({
      change: 'unchanged',
      warnings: [warning(`view mine.v_${t}`)],
    });
    await master(
      'ALTER TABLE d.{t} ALTER id TYPE bigint, DROP COLUMN size; INSERT INTO d.{t} (id) VALUES (6)',
    );
    expect((await publishAt(moved)).warnings).to.deep.equal([warning(`view mine.v_${t}`)]);
    for (const view of [`mine.v_${t}`, `s.${t}`, `s2.${t}`])
      expect(await slave(`SELECT * FROM ${view}`)).to.have.length(6);

    const failure = await failureOf(remove(moved));
    expect(failure).to.include({ reason: 'conflict', retry: 'remote' });
    expect(failure.message).to.contain(`s.${t}`).and.contain(`mine.v_${t}`);
    expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`, `s2.${t} v`]);

    await slave('DROP VIEW mine.v_{t}');
    await master('INSERT INTO d.{t} (id) VALUES (7)');
    expect((await publishAt(moved)).warnings).to.deep.equal([]);
    expect(await places()).to.deep.equal([`d.${t} r`, `s2.${t} v`]);
  });

  for (const [what, make] of [
    [
      'trigger my_trigger on view s.{t}',
      'CREATE TRIGGER my_trigger INSTEAD OF INSERT ON s.{t} FOR EACH ROW EXECUTE FUNCTION mine.f()',
    ],
    ['rule my_rule on view s.{t}', 'CREATE RULE my_rule AS ON DELETE TO s.{t} DO INSTEAD NOTHING'],
    ['default value for column size of view s.{t}', 'ALTER VIEW s.{t} ALTER COLUMN size SET DEFAULT 1'],
    ['materialized view mine.m_{t}', 'CREATE MATERIALIZED VIEW mine.m_{t} AS SELECT id FROM s.{t}'],
    [
      'function mine.g_{t}()',
      'CREATE FUNCTION mine.g_{t}() RETURNS SETOF s.{t} LANGUAGE sql AS $$SELECT NULL::s.{t}$$',
    ],
    [
      'function mine.h_{t}(s.{t}[])',
      'CREATE FUNCTION mine.h_{t}(s.{t}[]) RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    ],
  ] as const)
    it(`stay for a ${what.replaceAll('{t}', 't')}`, async () => {
      await slave(make);
      const { warnings } = await publishAt(moved);
      expect(warnings).to.deep.equal([warning(what.replaceAll('{t}', t))]);
      expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`, `s2.${t} v`]);
    });

  it('become the access view again when the task file goes back to them', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT id FROM s.{t}');
    const file = await rig.dump(t);
    await publishAt(moved, file);
    expect(await publishAt(schemas, file)).to.include({ change: 'replaced' });
    expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`]);
    expect(await slave('SELECT * FROM mine.v_{t}')).to.have.length(5);
  });

  it('are known when the table moves to another data schema meanwhile', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT id FROM s.{t}');
    await publishAt(moved);
    await slave('DROP VIEW mine.v_{t}');
    await rig.master.query(`CREATE SCHEMA IF NOT EXISTS d2; ALTER TABLE d.${t} SET SCHEMA d2`);
    const file = join(await tempDir('dump'), `${t}.db`);
    await dumpTable({ schema: 'd2', table: t, file, env: environmentOf(rig.master) }, never);
    await publishAt({ ...moved, dataSchema: 'd2' }, file);
    expect(await places()).to.deep.equal([`d2.${t} r`, `s2.${t} v`]);
  });

  for (const [what, make] of [
    ['a view of that name that was never ours', 'CREATE VIEW s3.{t} AS SELECT * FROM d.{t}'],
    [
      'one that somebody gave another query',
      'DROP VIEW s.{t}; CREATE VIEW s.{t} AS SELECT * FROM d.{t} WHERE size > 2',
    ],
    ['one that somebody gave other columns', 'DROP VIEW s.{t}; CREATE VIEW s.{t} AS SELECT id FROM d.{t}'],
  ] as const)
    it(`are not ${what}: it is re-pointed like anything of others`, async () => {
      const theirs = make.startsWith('DROP') ? 's' : 's3';
      await slave(make);
      const before = await slave(`SELECT * FROM ${theirs}.{t}`);
      expect(await publishAt(moved)).to.deep.include({ warnings: [] });
      expect(await places()).to.deep.equal([`d.${t} r`, `${theirs}.${t} v`, `s2.${t} v`].sort());
      expect(await slave(`SELECT * FROM ${theirs}.{t}`)).to.deep.equal(before);
      expect((await failureOf(remove(moved))).message).to.contain(`${theirs}.${t}`);
    });

  describe('with the bookkeeping of a version that did not note them', () => {
    const forget = async () => {
      await slave(
        `ALTER TABLE borg_slave.layer DROP COLUMN view_schemas; COMMENT ON SCHEMA borg_slave IS 'slave-sync 0'`,
      );
      return rig.other({});
    };

    it('the only view of that form is it', async () => {
      await slave('CREATE VIEW s3.{t} AS SELECT id FROM d.{t}');
      const upgraded = await forget();
      await publishAt(moved, undefined, upgraded);
      expect(await places()).to.deep.equal([`d.${t} r`, `s2.${t} v`, `s3.${t} v`]);
    });

    it('of two, nobody knows, and both stay', async () => {
      await slave('CREATE VIEW s3.{t} AS SELECT * FROM d.{t}');
      const upgraded = await forget();
      await publishAt(moved, undefined, upgraded);
      expect(await places()).to.deep.equal([`d.${t} r`, `s.${t} v`, `s2.${t} v`, `s3.${t} v`]);
      const { message } = await failureOf(remove(moved, upgraded));
      expect(message).to.contain(`s.${t}`).and.contain(`s3.${t}`);
    });

    it('an equal dump is still not restored again', async () => {
      const file = await rig.dump(t);
      await publishAt(schemas, file);
      await slave('CREATE VIEW s3.{t} AS SELECT * FROM d.{t}');
      expect(await publishAt(schemas, file, await forget())).to.include({ change: 'unchanged' });
    });
  });
});
