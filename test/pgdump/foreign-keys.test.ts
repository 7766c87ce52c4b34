import { expect } from 'chai';
import { failureOf, layoutOf, makeRig, md5Of, never, published, schemas, type Rig } from './rig.js';

describe('pgdump/foreign-keys', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(() => rig.close());

  const keys = async (table: string): Promise<unknown[]> =>
    rig.slave.query(
      `SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = $1::regclass AND contype = 'f' ORDER BY 1`,
      [table],
    );
  const makeFamily = () =>
    rig.master.query(`
      CREATE TABLE d.parent (a int, b int, note text, PRIMARY KEY (a, b));
      CREATE TABLE d.child (id int PRIMARY KEY, x int, y int,
        CONSTRAINT "Child FK" FOREIGN KEY (y, x) REFERENCES d.parent (b, a) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL
        DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO d.parent VALUES (1, 2), (3, 4); INSERT INTO d.child VALUES (1, 1, 2), (2, 3, 4)`);
  const DEFINITION =
    'FOREIGN KEY (y, x) REFERENCES d.parent(b, a) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED';

  it('a key of another published table follows its parent, with column order, actions and DEFERRABLE', async () => {
    await makeFamily();
    await rig.publish('parent');
    expect(await rig.publish('child')).to.deep.include({ warnings: [] });
    for (let round = 0; round < 2; round++) {
      await rig.master.query(`INSERT INTO d.parent VALUES (${10 + round}, 0)`);
      expect(await rig.publish('parent')).to.deep.include({ change: 'replaced', warnings: [] });
      expect(await keys('d.child')).to.deep.equal([{ name: 'Child FK', definition: DEFINITION }]);
    }
    await rig.master.query('INSERT INTO d.child VALUES (3, 10, 0)');
    expect(await rig.publish('child')).to.deep.include({ change: 'replaced', warnings: [] });
    expect(await keys('d.child')).to.deep.equal([{ name: 'Child FK', definition: DEFINITION }]);
    expect(await layoutOf(rig.slave, 'parent')).to.deep.equal(published('parent'));
  });

  it('keys of tables that nobody publishes follow, quoted and NOT VALID ones too', async () => {
    await rig.master.query(`CREATE TABLE d."P x" ("Id" int PRIMARY KEY); INSERT INTO d."P x" VALUES (1)`);
    await rig.publish('P x');
    await rig.slave.query(`CREATE SCHEMA "My"; CREATE TABLE "My"."C" ("Ref" int, other int);
      INSERT INTO "My"."C" VALUES (1, 99);
      ALTER TABLE "My"."C" ADD CONSTRAINT "f 1" FOREIGN KEY ("Ref") REFERENCES d."P x" ("Id"),
                           ADD CONSTRAINT f2 FOREIGN KEY (other) REFERENCES d."P x" NOT VALID`);
    const before = await keys('"My"."C"');
    await rig.master.query('INSERT INTO d."P x" VALUES (2)');
    expect(await rig.publish('P x')).to.deep.include({ warnings: [] });
    expect(await keys('"My"."C"')).to.deep.equal(before);
  });

  it('a key of many long columns, and one that sets some of them null only, follow as they are', async () => {
    const columns = Array.from({ length: 12 }, (_, i) => `"Column number ${i} ${'x'.repeat(40)}"`);
    const types = columns.map((column) => `${column} int`).join(', ');
    await rig.master.query(
      `CREATE TABLE d.wide (${types}, PRIMARY KEY (${columns.toReversed().join(', ')}), UNIQUE (${columns.slice(0, 2).join(', ')}))`,
    );
    await rig.publish('wide');
    await rig.slave.query(
      `CREATE TABLE public.long (${types},
         CONSTRAINT k1 FOREIGN KEY (${columns.join(', ')}) REFERENCES d.wide (${columns.join(', ')}),
         CONSTRAINT k2 FOREIGN KEY (${columns.slice(0, 2).join(', ')}) REFERENCES d.wide (${columns.slice(0, 2).join(', ')})
           ON DELETE SET NULL (${columns[1]!}))`,
    );
    const before = await keys('public.long');
    expect(JSON.stringify(before)).to.include('ON DELETE SET NULL (').and.to.have.length.above(1_024);
    await rig.master.query(`INSERT INTO d.wide VALUES (${columns.map((_, i) => i).join(', ')})`);
    expect(await rig.publish('wide')).to.deep.include({ change: 'replaced', warnings: [] });
    expect(await keys('public.long')).to.deep.equal(before);
  });

  it('a key from a partitioned table follows', async () => {
    await rig.master.query('CREATE TABLE d.target (id int PRIMARY KEY); INSERT INTO d.target VALUES (1)');
    await rig.publish('target');
    await rig.slave.query(`CREATE TABLE public.pt (id int REFERENCES d.target) PARTITION BY RANGE (id);
      CREATE TABLE public.pt1 PARTITION OF public.pt FOR VALUES FROM (0) TO (10); INSERT INTO public.pt VALUES (1)`);
    const before = [await keys('public.pt'), await keys('public.pt1')];
    await rig.master.query('INSERT INTO d.target VALUES (2)');
    await rig.publish('target');
    expect([await keys('public.pt'), await keys('public.pt1')]).to.deep.equal(before);
  });

  it('a key whose rows lost their target is kept, not validated, with a warning', async () => {
    await makeFamily();
    await rig.publish('parent');
    await rig.publish('child');
    await rig.master.query('DELETE FROM d.child; DELETE FROM d.parent WHERE a = 3');
    const { warnings } = await rig.publish('parent');
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.contain('Child FK');
    expect(await keys('d.child')).to.deep.equal([
      { name: 'Child FK', definition: `${DEFINITION} NOT VALID` },
    ]);
    await rig.master.query('INSERT INTO d.parent VALUES (3, 4)');
    expect(await rig.publish('parent')).to.deep.include({ warnings: [] });
    expect(await keys('d.child')).to.deep.equal([{ name: 'Child FK', definition: DEFINITION }]);
  });

  it('a key that was prepared but not validated before a crash is validated', async () => {
    await rig.master.query('CREATE TABLE d.target (id int PRIMARY KEY); INSERT INTO d.target VALUES (1)');
    await rig.publish('target');
    await rig.slave
      .query(`CREATE TABLE public.c (id int CONSTRAINT k REFERENCES d.target); INSERT INTO public.c VALUES (1);
      CREATE FUNCTION public.f() RETURNS SETOF s.target LANGUAGE sql AS $$SELECT NULL::s.target$$`);
    await rig.master.query('ALTER TABLE d.target ALTER id TYPE bigint');
    const file = await rig.dump('target');
    expect(await failureOf(rig.publish('target', file))).to.include({ reason: 'conflict' });
    // As a crash leaves it: added, not validated.
    await rig.slave.query(`DO $do$DECLARE k record; BEGIN
      SELECT conname, pg_get_constraintdef(oid) AS def INTO STRICT k FROM pg_constraint
       WHERE conrelid = 'public.c'::regclass AND conname LIKE 'borg%';
      EXECUTE format('ALTER TABLE public.c DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s NOT VALID', k.conname, k.def);
      END$do$; DROP FUNCTION public.f`);
    expect(await rig.publish('target', file)).to.deep.include({ change: 'recreated', warnings: [] });
    expect(await keys('public.c')).to.deep.equal([
      { name: 'k', definition: 'FOREIGN KEY (id) REFERENCES d.target(id)' },
    ]);
  });

  it('a child whose parent is not here goes without, and gets the key when the parent comes', async () => {
    await makeFamily();
    const child = await rig.dump('child');
    const { warnings } = await rig.publish('child', child);
    expect(warnings).to.deep.equal([
      'The foreign key Child FK is left out: the table it points to is not on this slave.',
    ]);
    expect(await rig.publish('child', child)).to.deep.include({ change: 'unchanged', warnings });
    expect(await rig.publish('parent')).to.deep.include({ warnings: [] });
    expect(await keys('d.child')).to.deep.equal([{ name: 'Child FK', definition: DEFINITION }]);
    expect(await rig.publish('child', child)).to.deep.include({ change: 'unchanged', warnings: [] });
  });

  it('a key that was not added after a crash is added when the parent is published unchanged', async () => {
    await makeFamily();
    const parent = await rig.dump('parent');
    await rig.publish('parent', parent);
    await rig.publish('child');
    await rig.slave.query('ALTER TABLE d.child DROP CONSTRAINT "Child FK"');
    expect(await rig.publish('parent', parent)).to.deep.include({ change: 'unchanged', warnings: [] });
    expect(await keys('d.child')).to.deep.equal([{ name: 'Child FK', definition: DEFINITION }]);
  });

  it('cycles and keys to the table itself', async () => {
    await rig.master.query(`
      CREATE TABLE d.hen (id int PRIMARY KEY, egg int, mother int REFERENCES d.hen);
      CREATE TABLE d.egg (id int PRIMARY KEY, hen int REFERENCES d.hen);
      ALTER TABLE d.hen ADD FOREIGN KEY (egg) REFERENCES d.egg;
      INSERT INTO d.hen VALUES (1, NULL, NULL), (2, NULL, 1); INSERT INTO d.egg VALUES (1, 1); UPDATE d.hen SET egg = 1`);
    const check = async () => {
      expect(await keys('d.hen')).to.deep.equal([
        { name: 'hen_egg_fkey', definition: 'FOREIGN KEY (egg) REFERENCES d.egg(id)' },
        { name: 'hen_mother_fkey', definition: 'FOREIGN KEY (mother) REFERENCES d.hen(id)' },
      ]);
      expect(await keys('d.egg')).to.deep.equal([
        { name: 'egg_hen_fkey', definition: 'FOREIGN KEY (hen) REFERENCES d.hen(id)' },
      ]);
    };
    await rig.publish('hen');
    await rig.publish('egg');
    await check();
    await rig.master.query('DELETE FROM d.hen WHERE id = 2');
    await rig.publish('hen');
    await check();
    await rig.master.query('INSERT INTO d.egg VALUES (2, 1)');
    await rig.publish('egg');
    await check();
  });

  it('a parent that is being exchanged makes its child wait', async () => {
    await makeFamily();
    await rig.publish('parent');
    const child = await rig.dump('child');
    await rig.slave.query('ALTER TABLE d.parent SET SCHEMA o'); // as in the middle of a restore
    const publishing = rig.publish('child', child);
    await publishing.then(
      () => expect.fail('it should have failed'),
      (error: unknown) => expect(error).to.include({ reason: 'not-published-yet', retry: 'transient' }),
    );
    await rig.slave.query('ALTER TABLE o.parent SET SCHEMA d');
    expect(await rig.publish('child', child)).to.deep.include({ change: 'created', warnings: [] });
  });

  it('tables that refer to a table are found, while it is set aside too, itself excepted', async () => {
    await makeFamily();
    await rig.publish('parent');
    await rig.publish('child');
    const referencing = () => rig.database.referencingTables({ ...schemas, table: 'parent' }, never);
    expect(await referencing()).to.deep.equal([{ schema: 'd', table: 'child' }]);
    await rig.slave.query(
      'ALTER TABLE d.parent SET SCHEMA o; ALTER TABLE o.parent ADD FOREIGN KEY (a, b) REFERENCES o.parent',
    );
    expect(await referencing()).to.deep.equal([{ schema: 'd', table: 'child' }]);
    expect(await rig.database.referencingTables({ ...schemas, table: 'child' }, never)).to.deep.equal([]);
  });

  it('removing a parent leaves its published child without the key, as on a slave that never had the parent', async () => {
    await makeFamily();
    const parent = await rig.dump('parent');
    await rig.publish('parent', parent);
    const child = await rig.dump('child');
    await rig.publish('child', child);
    expect(await rig.database.removeTable({ ...schemas, table: 'parent' }, never)).to.equal('updated');
    expect(await keys('d.child')).to.deep.equal([]);
    expect((await rig.publish('child', child)).warnings).to.have.length(1);
    await rig.publish('parent', parent, await md5Of(parent));
    expect(await keys('d.child')).to.have.length(1);
  });

  it('a dump whose key the rows here violate is published, with the key not validated', async () => {
    await makeFamily();
    await rig.publish('parent');
    await rig.master.query('INSERT INTO d.parent VALUES (5, 6); INSERT INTO d.child VALUES (3, 5, 6)');
    const { warnings } = await rig.publish('child');
    expect(warnings).to.have.length(1);
    expect(await keys('d.child')).to.deep.equal([
      { name: 'Child FK', definition: `${DEFINITION} NOT VALID` },
    ]);
  });
});
