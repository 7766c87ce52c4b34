import { expect } from 'chai';
import { join } from 'node:path';
import { dumpTable } from '../../src/pgdump/dump.js';
import { tempDir } from '../support/temp.js';
import { environmentOf, makeRig, md5Of, never, type Rig } from './rig.js';

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Names of schemas that would be something else if they were not quoted, or not compared as they are. */
const PLACES = [
  { schema: 'Upper', dataSchema: 'Upper Data', outdatedSchema: 'Upper Old' },
  { schema: 'd.t', dataSchema: 'd', outdatedSchema: '.' },
  { schema: `quo'te`, dataSchema: 'dou"ble', outdatedSchema: `bo"t'h` },
  { schema: 'grün', dataSchema: '道路', outdatedSchema: 'ü'.repeat(31) },
  { schema: 'select', dataSchema: 'table', outdatedSchema: 'user' },
  { schema: '$$', dataSchema: '%I', outdatedSchema: '\\' },
  { schema: 'a'.repeat(63), dataSchema: `${'a'.repeat(62)}b`, outdatedSchema: `${'a'.repeat(62)}c` },
];

describe('pgdump: names of schemas', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    await rig.slave.query('CREATE SCHEMA "Mine"');
  });
  after(() => rig.close());

  PLACES.forEach((place, number) => {
    it(`${place.schema}, ${place.dataSchema}, ${place.outdatedSchema}: everything on the table follows it`, async () => {
      const table = `T ${number}`;
      const [view, data] = [place.schema, place.dataSchema].map(
        (schema) => `${quote(schema)}.${quote(table)}`,
      );
      const dir = await tempDir('dump');
      let dumps = 0;
      const publish = async () => {
        const dumpPath = join(dir, String(++dumps));
        const env = environmentOf(rig.master);
        await dumpTable({ schema: place.dataSchema, table, file: dumpPath, env }, never);
        const request = { ...place, table, dumpPath, md5: await md5Of(dumpPath), jobId: 'j' };
        return rig.database.publishTable(request, never);
      };
      await rig.master.query(
        `CREATE SCHEMA IF NOT EXISTS ${quote(place.dataSchema)};
         CREATE TABLE ${data} ("Id" serial PRIMARY KEY, "sp ace" text); INSERT INTO ${data} ("sp ace") VALUES ('a')`,
      );
      await rig.database.ensureSchemas({ ...place, authLevel: 1 }, never);
      expect(await publish()).to.include({ change: 'created' });
      await rig.slave.query(
        `CREATE TABLE "Mine"."C ${number}" ("Ref" int CONSTRAINT "f k" REFERENCES ${data}); INSERT INTO "Mine"."C ${number}" VALUES (1);
         CREATE VIEW "Mine"."V ${number}" AS SELECT "sp ace" FROM ${data};
         CREATE MATERIALIZED VIEW "Mine"."M ${number}" AS SELECT "Id" FROM ${view}`,
      );
      const rowsOfAll = async () => [
        (await rig.slave.query(`SELECT FROM ${view}`)).length,
        (await rig.slave.query(`SELECT FROM "Mine"."V ${number}"`)).length,
        (await rig.slave.query(`SELECT FROM "Mine"."M ${number}"`)).length,
      ];
      await rig.master.query(`INSERT INTO ${data} ("sp ace") VALUES ('b')`);
      expect(await publish()).to.deep.include({ change: 'replaced', warnings: [] });
      expect((await rowsOfAll()).slice(0, 2)).to.deep.equal([2, 2]);
      await rig.master.query(
        `ALTER TABLE ${data} ALTER "Id" TYPE bigint; INSERT INTO ${data} ("sp ace") VALUES ('c')`,
      );
      expect(await publish()).to.deep.include({ change: 'recreated', rebuiltViews: 1, warnings: [] });
      expect(await rowsOfAll()).to.deep.equal([3, 3, 3]);

      const [facts] = await rig.slave.query(
        `SELECT (SELECT string_agg(n.nspname || ' ' || c.relkind::text, ',' ORDER BY c.relkind) FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $1) AS layout,
                (SELECT confrelid = $2::regclass AND convalidated FROM pg_constraint
                  WHERE conname = 'f k' AND conrelid = $3::regclass) AS key,
                (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = $4) AS outdated`,
        [table, data, `"Mine"."C ${number}"`, place.outdatedSchema],
      );
      expect(facts).to.deep.equal({
        layout: `${place.dataSchema} r,${place.schema} v`,
        key: true,
        outdated: 0,
      });
      await rig.slave.query(
        `DROP TABLE "Mine"."C ${number}"; DROP VIEW "Mine"."V ${number}"; DROP MATERIALIZED VIEW "Mine"."M ${number}"`,
      );
      expect(await rig.database.removeTable({ ...place, table }, never)).to.equal('updated');
      expect(await rig.slave.query('SELECT FROM pg_class WHERE relname = $1', [table])).to.deep.equal([]);
    });
  });
});
