import { expect } from 'chai';
import { failureOf, layoutOf, makeRig, never, published, schemas, type Rig } from './rig.js';

/** What others built on a published table or its access view survives a republication. */
describe('pgdump/dependants', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    await rig.slave.query(
      'CREATE ROLE ann; CREATE ROLE bob; CREATE SCHEMA mine; CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$',
    );
  });
  after(async () => {
    await rig.slave.query('DROP OWNED BY ann; DROP OWNED BY bob; DROP ROLE ann; DROP ROLE bob');
    await rig.close();
  });

  let number = 0;
  let t: string;
  beforeEach(async () => {
    t = `t${++number}`;
    await rig.master.query(`CREATE TABLE d.${t} (id int PRIMARY KEY, name text, size int)`);
    await rig.master.query(`INSERT INTO d.${t} SELECT i, 'n' || i, i FROM generate_series(1, 5) i`);
    await rig.publish(t);
  });

  const slave = async (sql: string): Promise<Record<string, unknown>[]> =>
    rig.slave.query(sql.replaceAll('{t}', t));
  const master = async (sql: string) => rig.master.query(sql.replaceAll('{t}', t));
  const addRow = () => master(`INSERT INTO d.{t} (id) SELECT max(id) + 1 FROM d.{t}`);
  /** Needs a new view: a column of another type, and one that is gone. */
  const changeColumns = () => master('ALTER TABLE d.{t} ALTER id TYPE bigint, DROP COLUMN size');
  const oid = async (name: string) => (await slave(`SELECT '${name}'::regclass::oid AS oid`))[0]!['oid'];
  const value = async (sql: string) => Object.values((await slave(sql))[0]!)[0];

  it('columns added at the end leave the view and everything on it as it is', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT name FROM s.{t}; GRANT SELECT ON s.{t} TO ann');
    const [view, mine] = [await oid(`s.${t}`), await oid(`mine.v_${t}`)];
    await master('ALTER TABLE d.{t} ADD COLUMN extra text');
    expect(await rig.publish(t)).to.include({ change: 'replaced', columnsChanged: true, rebuiltViews: 0 });
    expect([await oid(`s.${t}`), await oid(`mine.v_${t}`)]).to.deep.equal([view, mine]);
    expect(await slave('SELECT extra FROM s.{t}')).to.have.length(5);
  });

  it('a view on the access view is kept when the columns are the same, made anew when they are not', async () => {
    await slave(`CREATE VIEW mine.v_{t} WITH (security_barrier) AS SELECT id, upper(name) AS n FROM s.{t};
      CREATE VIEW mine.w_{t} AS SELECT count(*) FROM mine.v_{t};
      GRANT SELECT ON mine.v_{t} TO ann; GRANT SELECT (n) ON mine.v_{t} TO bob; COMMENT ON VIEW mine.v_{t} IS 'mine'`);
    const before = await oid(`mine.v_${t}`);
    await addRow();
    expect(await rig.publish(t)).to.include({ rebuiltViews: 0 });
    expect(await oid(`mine.v_${t}`)).to.equal(before);
    const described = () =>
      slave(`SELECT relacl::text, reloptions::text, obj_description(oid) AS comment,
                    (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'n') AS n
               FROM pg_class c WHERE oid = 'mine.v_{t}'::regclass`);
    const was = await described();
    await changeColumns();
    expect(await rig.publish(t)).to.include({ change: 'recreated', columnsChanged: true, rebuiltViews: 2 });
    expect(await described()).to.deep.equal(was);
    expect(await value('SELECT * FROM mine.w_{t}')).to.equal('6');
    expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
  });

  it('a materialized view on the access view keeps its indexes, its rows are those of the new table', async () => {
    await slave(`CREATE MATERIALIZED VIEW mine.m_{t} AS SELECT id, name FROM s.{t};
      CREATE UNIQUE INDEX ON mine.m_{t} (id); GRANT SELECT ON mine.m_{t} TO ann; COMMENT ON INDEX mine.m_{t}_id_idx IS 'mine'`);
    await addRow();
    await rig.publish(t);
    // Not touched while the columns are the same: when it is refreshed is its owner's business.
    expect(await slave('SELECT * FROM mine.m_{t}')).to.have.length(5);
    await changeColumns();
    expect(await rig.publish(t)).to.include({ rebuiltViews: 1 });
    expect(await slave('SELECT * FROM mine.m_{t}')).to.have.length(6);
    await slave('REFRESH MATERIALIZED VIEW CONCURRENTLY mine.m_{t}');
    expect(await value(`SELECT has_table_privilege('ann', 'mine.m_{t}', 'SELECT')`)).to.equal(true);
    expect(await value(`SELECT obj_description('mine.m_{t}_id_idx'::regclass)`)).to.equal('mine');
  });

  it('a view on the table itself is pointed to the new one and stays the same view', async () => {
    await slave(`CREATE VIEW mine.v_{t} AS SELECT a.id, b.name FROM d.{t} a JOIN s.{t} b USING (id);
      CREATE VIEW mine.w_{t} AS SELECT id FROM mine.v_{t}`);
    const before = await oid(`mine.v_${t}`);
    for (let i = 0; i < 2; i++) {
      await addRow();
      expect(await rig.publish(t)).to.include({ change: 'replaced', rebuiltViews: 0 });
    }
    expect(await oid(`mine.v_${t}`)).to.equal(before);
    expect(await slave('SELECT * FROM mine.w_{t}')).to.have.length(7);
    expect(await value(`SELECT pg_get_viewdef('mine.v_{t}'::regclass)`)).to.contain(`d.${t} a`);
    await changeColumns();
    expect(await rig.publish(t)).to.include({ change: 'recreated', rebuiltViews: 2 });
    expect(await slave('SELECT * FROM mine.w_{t}')).to.have.length(7);
  });

  it('a materialized view on the table itself, and a view on that, are made anew', async () => {
    await slave(`CREATE MATERIALIZED VIEW mine.m_{t} AS SELECT id FROM d.{t}; CREATE VIEW mine.v_{t} AS SELECT id FROM mine.m_{t};
      CREATE VIEW mine.direct_{t} AS SELECT m.id FROM mine.v_{t} m JOIN d.{t} USING (id)`);
    await addRow();
    expect(await rig.publish(t)).to.include({ change: 'replaced', rebuiltViews: 3 });
    expect(await slave('SELECT * FROM mine.direct_{t}')).to.have.length(6);
  });

  it('a direct view whose column changes its type is made anew', async () => {
    await slave('CREATE VIEW mine.v_{t} AS SELECT id FROM d.{t}');
    await master('ALTER TABLE d.{t} ALTER id TYPE bigint');
    expect(await rig.publish(t)).to.include({ rebuiltViews: 1 });
    expect(await slave('SELECT * FROM mine.v_{t}')).to.have.length(5);
  });

  for (const how of ['same', 'changed'] as const)
    it(`grants, comments, options, defaults, triggers and rules of the access view survive ${how} columns`, async () => {
      await slave(`ALTER VIEW s.{t} SET (security_barrier = true);
        GRANT SELECT, INSERT ON s.{t} TO ann WITH GRANT OPTION; GRANT UPDATE (name) ON s.{t} TO bob; REVOKE ALL ON s.{t} FROM sso_access;
        COMMENT ON VIEW s.{t} IS 'of mine'; COMMENT ON COLUMN s.{t}.name IS 'the name';
        ALTER VIEW s.{t} ALTER COLUMN name SET DEFAULT 'none';
        CREATE TRIGGER "my trigger" INSTEAD OF INSERT ON s.{t} FOR EACH ROW EXECUTE FUNCTION mine.f();
        CREATE RULE my_rule AS ON DELETE TO s.{t} DO INSTEAD NOTHING`);
      const described = () =>
        slave(`SELECT relacl::text, reloptions::text, obj_description(c.oid) AS comment, col_description(c.oid, 2) AS name,
                      (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'name') AS grants,
                      (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = c.oid) AS def,
                      (SELECT string_agg(pg_get_triggerdef(oid), ';') FROM pg_trigger WHERE tgrelid = c.oid) AS triggers,
                      (SELECT string_agg(pg_get_ruledef(oid), ';') FROM pg_rewrite WHERE ev_class = c.oid AND rulename <> '_RETURN') AS rules
                 FROM pg_class c WHERE oid = 's.{t}'::regclass`);
      const before = await described();
      expect(JSON.stringify(before))
        .to.contain('my trigger')
        .and.contain('security_barrier')
        .and.contain('my_rule');
      await (how === 'same' ? addRow() : changeColumns());
      expect(await rig.publish(t)).to.include({ change: how === 'same' ? 'replaced' : 'recreated' });
      expect(await described()).to.deep.equal(before);
    });

  for (const [whose, view] of [
    ['the access view', 's.{t}'],
    ["another's view on it", 'mine.v_{t}'],
  ] as const)
    it(`comments on triggers and rules of ${whose} survive changed columns`, async () => {
      await slave(`CREATE VIEW mine.v_{t} AS SELECT id, name FROM s.{t};
        CREATE TRIGGER "my trigger" INSTEAD OF INSERT ON ${view} FOR EACH ROW EXECUTE FUNCTION mine.f();
        CREATE RULE "My rule" AS ON DELETE TO ${view} DO INSTEAD NOTHING;
        COMMENT ON TRIGGER "my trigger" ON ${view} IS 'the editor''s';
        COMMENT ON RULE "My rule" ON ${view} IS 'no deletion'; COMMENT ON RULE "_RETURN" ON ${view} IS 'the query'`);
      const described = () =>
        slave(`SELECT tgname AS name, obj_description(oid, 'pg_trigger') AS comment FROM pg_trigger WHERE tgrelid = '${view}'::regclass
               UNION ALL SELECT rulename, obj_description(oid, 'pg_rewrite') FROM pg_rewrite WHERE ev_class = '${view}'::regclass
               ORDER BY 1`);
      const before = await described();
      expect(before.map((row) => row['comment'])).to.have.members([
        "the editor's",
        'no deletion',
        'the query',
      ]);
      const made = await oid(view.replace('{t}', t));
      await changeColumns();
      await rig.publish(t);
      expect(await oid(view.replace('{t}', t))).not.to.equal(made);
      expect(await described()).to.deep.equal(before);
    });

  it('grants on the table and its columns, and its owner, go to the new table, those on columns that are gone excepted', async () => {
    await slave(`GRANT SELECT ON d.{t} TO ann; GRANT SELECT (name), UPDATE (size) ON d.{t} TO bob`);
    await changeColumns();
    await rig.publish(t);
    expect(await value(`SELECT has_table_privilege('ann', 'd.{t}', 'SELECT')`)).to.equal(true);
    expect(await value(`SELECT has_column_privilege('bob', 'd.{t}', 'name', 'SELECT')`)).to.equal(true);
    expect(await value(`SELECT has_table_privilege('bob', 'd.{t}', 'SELECT')`)).to.equal(false);
  });

  it('default privileges do not add to what a view had', async () => {
    await slave('ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO bob');
    try {
      await changeColumns();
      await rig.publish(t);
      expect(await value(`SELECT has_table_privilege('bob', 's.{t}', 'SELECT')`)).to.equal(false);
      expect(await value(`SELECT has_table_privilege('sso_access', 's.{t}', 'SELECT')`)).to.equal(true);
    } finally {
      await slave('ALTER DEFAULT PRIVILEGES IN SCHEMA s REVOKE SELECT ON TABLES FROM bob');
    }
  });

  describe('what can not be kept stops the exchange, with the old rows in place', () => {
    const cases = [
      [
        'a view that uses a lost column',
        'CREATE VIEW mine.v_{t} AS SELECT size FROM s.{t}',
        'mine.v_{t}',
        'DROP VIEW mine.v_{t}',
      ],
      [
        'a direct view that uses a lost column',
        'CREATE VIEW mine.v_{t} AS SELECT size FROM d.{t}',
        'mine.v_{t}',
        'DROP VIEW mine.v_{t}',
      ],
      [
        'a function on the row type',
        'CREATE FUNCTION mine.g_{t}() RETURNS SETOF s.{t} LANGUAGE sql AS $$SELECT NULL::s.{t}$$',
        'mine.g_{t}',
        'DROP FUNCTION mine.g_{t}',
      ],
      ['a child table', 'CREATE TABLE mine.c_{t} () INHERITS (d.{t})', 'mine.c_{t}', 'DROP TABLE mine.c_{t}'],
      [
        'a foreign key to a lost column',
        'CREATE UNIQUE INDEX ON d.{t} (size); CREATE TABLE mine.k_{t} (size int REFERENCES d.{t} (size))',
        'mine.k_{t}',
        'DROP TABLE mine.k_{t}',
      ],
      [
        'a default from its sequence',
        'ALTER TABLE d.{t} ADD s serial; CREATE TABLE mine.q_{t} (x int DEFAULT nextval($$d.{t}_s_seq$$))',
        'mine.q_{t}',
        'DROP TABLE mine.q_{t}',
      ],
    ] as const;
    for (const [what, make, named, clear] of cases)
      it(what, async () => {
        await slave(make);
        await changeColumns();
        const file = await rig.dump(t);
        const failure = await failureOf(rig.publish(t, file));
        expect(failure).to.include({ reason: 'conflict', retry: 'remote' });
        expect(failure.message).to.contain(named.replaceAll('{t}', t));
        expect(await slave('SELECT size FROM s.{t}')).to.have.length(5);
        // Cleared by hand: the restored copy is still there and is exchanged.
        await slave(clear);
        expect(await rig.publish(t, file)).to.include({ change: 'recreated' });
        expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
      });
  });

  describe('removal', () => {
    it('takes view and table, with nothing of others', async () => {
      expect(await rig.database.removeTable({ ...schemas, table: t }, never)).to.equal('updated');
      expect(await layoutOf(rig.slave, t)).to.deep.equal([]);
      expect(await rig.database.removeTable({ ...schemas, table: t }, never)).to.equal('unchanged');
      expect(await slave(`SELECT * FROM borg_slave.layer WHERE table_name = '{t}'`)).to.deep.equal([]);
    });

    for (const [what, make, named] of [
      ['a view on the view', 'CREATE VIEW mine.v_{t} AS SELECT id FROM s.{t}', 'mine.v_{t}'],
      ['a view on the table', 'CREATE VIEW mine.v_{t} AS SELECT id FROM d.{t}', 'mine.v_{t}'],
      ['a foreign key', 'CREATE TABLE mine.k_{t} (id int REFERENCES d.{t})', 'mine.k_{t}'],
    ] as const)
      it(`is stopped by ${what}, which it names`, async () => {
        await slave(make);
        const failure = await failureOf(rig.database.removeTable({ ...schemas, table: t }, never));
        expect(failure).to.include({ reason: 'conflict', retry: 'remote' });
        expect(failure.message).to.contain(named.replaceAll('{t}', t));
        expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
      });

    it('leaves a view of that name alone that reads something else', async () => {
      await slave('DROP VIEW s.{t}; CREATE VIEW s.{t} AS SELECT 1 AS x');
      expect(await rig.database.removeTable({ ...schemas, table: t }, never)).to.equal('updated');
      expect(await layoutOf(rig.slave, t)).to.deep.equal([`s.${t} v`]);
    });
  });
});
