import { expect } from 'chai';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpTable } from '../../src/pgdump/dump.js';
import { tempDir } from '../support/temp.js';
import { environmentOf, failureOf, makeRig, never, type Rig } from './rig.js';

describe('pgdump/dump', () => {
  let rig: Rig;
  let dir: string;
  before(async () => {
    rig = await makeRig();
    dir = await tempDir('dump');
    await rig.master.query(`
      CREATE TYPE public.mood AS ENUM ('fine'); CREATE DOMAIN public.positive AS int CHECK (VALUE > 0); CREATE TYPE public.pair AS (a int, b int);
      CREATE FUNCTION public.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
      CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
      CREATE TABLE d.fine (id serial PRIMARY KEY, names text[], g geometry, gs geometry[], at timestamptz DEFAULT now(), u uuid DEFAULT gen_random_uuid());
      CREATE INDEX ON d.fine USING gist (ST_Centroid(g)); INSERT INTO d.fine (id) VALUES (1);
      CREATE TABLE d.moody (m public.mood); CREATE TABLE d.moods (m public.mood[]); CREATE TABLE d.domained (x public.positive); CREATE TABLE d.paired (p public.pair);
      CREATE TABLE d.indexed (x int); CREATE INDEX ON d.indexed (public.twice(x)); CREATE TABLE d.checked (x int CHECK (public.twice(x) > 1));
      CREATE TABLE d.defaulted (x int DEFAULT public.twice(1)); CREATE TABLE d.generated (x int, y int GENERATED ALWAYS AS (public.twice(x)) STORED);
      CREATE TABLE d.triggered (x int); CREATE TRIGGER t BEFORE INSERT ON d.triggered FOR EACH ROW EXECUTE FUNCTION public.touch();
      CREATE TABLE d.parts (x int) PARTITION BY RANGE (x); CREATE TABLE d.part PARTITION OF d.parts FOR VALUES FROM (0) TO (9);
      CREATE TABLE d.heir () INHERITS (d.fine); CREATE VIEW d.seen AS SELECT 1 AS x; CREATE MATERIALIZED VIEW d.stored AS SELECT 1 AS x;
      CREATE TABLE d.keyed (id int REFERENCES d.fine, x int); CREATE STATISTICS d.stats ON id, x FROM d.keyed;
      CREATE TABLE d."UP" (x int); CREATE TABLE d.up (x int); CREATE TABLE d."st*r" (x int); CREATE TABLE d.star (x int);
      CREATE SCHEMA "A.b"; CREATE TABLE "A.b"."c""d" (x int)`);
  });
  after(() => rig.close());

  const dump = (table: string, schema = 'd') =>
    dumpTable({ schema, table, file: join(dir, 'out.db'), env: environmentOf(rig.master) }, never);

  it('dumps a table with built-in types, and those of PostGIS', async () => {
    const { info, notes } = await dump('fine');
    expect(info).to.deep.include({
      format: 'custom',
      tables: [{ schema: 'd', name: 'fine', hasData: true }],
    });
    expect(notes).to.deep.equal([]);
    expect(await readdir(dir)).to.deep.equal(['out.db']);
  });

  for (const [schema, table] of [
    ['d', 'UP'],
    ['d', 'up'],
    ['d', 'st*r'],
    ['A.b', 'c"d'],
  ] as const)
    it(`takes ${schema}.${table} as a name, not as a pattern`, async () => {
      const { info } = await dump(table, schema);
      expect(info.tables).to.deep.equal([{ schema, name: table, hasData: true }]);
    });

  for (const [table, named] of Object.entries({
    moody: 'type mood',
    moods: 'type mood',
    domained: 'type positive',
    paired: 'type pair',
    indexed: 'function twice',
    checked: 'function twice',
    defaulted: 'function twice',
    generated: 'function twice',
    triggered: 'function touch',
    parts: 'partitioned',
    part: 'd.parts',
    heir: 'd.fine',
    seen: 'a view',
    stored: 'a materialized view',
    none: 'no table',
    's*': 'no table',
  }))
    it(`refuses ${table}, which a slave could not restore or would get without rows`, async () => {
      const failure = await failureOf(dump(table));
      expect(failure).to.include({ reason: 'invalid-data', retry: 'final' });
      expect(failure.message).to.contain(named);
      expect(await readdir(dir)).not.to.contain('out.db.part');
    });

  it('notes what a slave may do without', async () => {
    const { notes } = await dump('keyed');
    expect(notes.join('\n'))
      .to.contain('keyed_id_fkey')
      .and.contain('d.fine')
      .and.contain('statistics stats');
  });

  it('says that the database is not there, without the password', async () => {
    const env = { ...environmentOf(rig.master), PGPASSWORD: 'wrong-password' };
    const failure = await failureOf(
      dumpTable({ schema: 'd', table: 'fine', file: join(dir, 'x'), env }, never),
    );
    expect(failure).to.include({ reason: 'connection' });
    expect(JSON.stringify(failure)).not.to.contain('wrong-password');
    const nowhere = { ...env, PGPORT: '1' };
    expect(
      await failureOf(dumpTable({ schema: 'd', table: 'fine', file: join(dir, 'x'), env: nowhere }, never)),
    ).to.include({ reason: 'connection', retry: 'transient' });
  });
});
