import { feature, type HostileCase, type HostileClass } from '../case.js';
import type { Lab } from '../lab.js';

type Make = (lab: Lab, id: string) => Promise<Buffer>;

const dump = (title: string, make: Make, outcome: RegExp): HostileCase =>
  feature(title, async (lab, id) => ({ data: await lab.store(await make(lab, id), 'db') }), outcome);

/** Columns with names so long that a hostile statement fits in their place. */
const ROOM = Array.from({ length: 5 }, (_, i) => `, ${'room_'.repeat(11)}${i} text`).join('');

/** A dump in whose table of contents one text is another one of the same length. */
function patched(
  title: string,
  find: (id: string) => RegExp,
  put: (lab: Lab, id: string) => string,
): HostileCase {
  return dump(
    `another ${title}`,
    async (lab, id) => {
      const bytes = await lab.dumpBytes('evil_data', id, ROOM);
      const text = bytes.toString('latin1');
      const found = find(id).exec(text);
      if (found === null) throw new Error(`the dump has no ${title}`);
      const wanted = put(lab, id);
      if (wanted.length > found[0].length) throw new Error(`no room for ${wanted}`);
      return Buffer.from(
        text.replace(found[0], () => wanted.padEnd(found[0].length)),
        'latin1',
      );
    },
    /holds (a statement|statements)/,
  );
}

const COPY = (id: string): RegExp => new RegExp(`COPY evil_data\\.${id} \\([^)]*\\) FROM stdin;\n`);
const CREATE = (id: string): RegExp => new RegExp(`CREATE TABLE evil_data\\.${id} \\([^;]*\\);\n`);
const SEARCH_PATH = (): RegExp => /SELECT pg_catalog\.set_config\('search_path', '', false\);\n/;

async function several(lab: Lab, id: string, sql: string, ...args: readonly string[]): Promise<Buffer> {
  await lab.dumpBytes('evil_data', id);
  await lab.rig.masterDatabase.query(sql);
  try {
    return await lab.pgDump(...args);
  } finally {
    await lab.rig.masterDatabase.query('DROP SCHEMA evil_data CASCADE');
  }
}

/** Dumps that hold more than their table, or something else. */
export default {
  name: 'dumps',
  cases: [
    feature('the dump of another layer', (lab) => ({ data: lab.goodDump }), /holds the table ws1_data\.good/),
    dump(
      'a second table',
      (lab, id) => several(lab, id, 'CREATE TABLE evil_data.more ()', '--table=evil_data.*'),
      /wants the table evil_data\.c\d+ only/,
    ),
    dump(
      'a whole schema',
      (lab, id) =>
        several(
          lab,
          id,
          'CREATE FUNCTION evil_data.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
          '--schema=evil_data',
        ),
      /holds the (schema|function)/,
    ),
    dump(
      'a view of the same name',
      async (lab, id) => {
        await lab.dumpBytes('evil_data', id);
        await lab.rig.masterDatabase.query(
          `DROP TABLE evil_data.${id}; CREATE VIEW evil_data.${id} AS SELECT 1 AS id`,
        );
        const bytes = await lab.pgDump(`--table=evil_data.${id}`);
        await lab.rig.masterDatabase.query(`DROP VIEW evil_data.${id}`);
        return bytes;
      },
      /holds the view|holds no table/,
    ),
    dump(
      'a partitioned table',
      async (lab, id) => {
        await lab.dumpBytes('evil_data', id);
        await lab.rig.masterDatabase.query(
          `DROP TABLE evil_data.${id}; CREATE TABLE evil_data.${id} (id int) PARTITION BY RANGE (id)`,
        );
        return lab.pgDump(`--table=evil_data.${id}`);
      },
      /without its rows/,
    ),
    dump(
      'a trigger whose function is not here',
      async (lab, id) => {
        await lab.dumpBytes('evil_data', id);
        await lab.rig.masterDatabase.query(
          `CREATE FUNCTION public.noisy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
           CREATE TRIGGER t BEFORE INSERT ON evil_data.${id} FOR EACH ROW EXECUTE FUNCTION public.noisy()`,
        );
        const bytes = await lab.pgDump(`--table=evil_data.${id}`);
        await lab.rig.masterDatabase.query('DROP FUNCTION public.noisy CASCADE');
        return bytes;
      },
      /noisy/,
    ),
    dump('the whole database', (lab) => lab.pgDump(), /holds the (extension|schema|table)/),
    dump(
      'only the schema',
      (lab, id) =>
        lab.dumpBytes('evil_data', id).then(() => lab.pgDump(`--table=evil_data.${id}`, '--schema-only')),
      /without its rows/,
    ),
    dump('nothing', () => Promise.resolve(Buffer.alloc(0)), /cut|damaged/),
    dump(
      'a script for psql',
      (lab) => Promise.resolve(Buffer.from(`\\! touch ${lab.canary}/pwned\n`.repeat(50))),
      /damaged/,
    ),
    dump(
      'an archive without end',
      async (lab, id) => (await lab.dumpBytes('evil_data', id)).subarray(0, 300),
      /damaged/,
    ),
    dump(
      'a tar with a path that leaves its folder',
      () => Promise.resolve(Buffer.concat([Buffer.from('../../../pwned'), Buffer.alloc(2_000)])),
      /damaged/,
    ),
    patched(
      'COPY statement',
      COPY,
      (_lab, id) => `DROP TABLE ws1_data.good CASCADE; COPY evil_data.${id} FROM stdin;\n`,
    ),
    patched(
      'COPY from a program',
      COPY,
      (lab) => `COPY public.canary FROM PROGRAM 'touch ${lab.canary}/pwned';\n`,
    ),
    patched(
      'definition with a second statement',
      CREATE,
      (lab, id) =>
        `CREATE TABLE evil_data.${id} (); COPY (SELECT 1) TO PROGRAM 'touch ${lab.canary}/pwned';\n`,
    ),
    patched('definition of another table', CREATE, () => 'CREATE TABLE public.pwned ();\n'),
    patched(
      'definition that is a function',
      CREATE,
      () => `CREATE FUNCTION public.pwned() RETURNS int LANGUAGE sql AS 'SELECT 1';\n`,
    ),
    patched(
      'definition that alters another table',
      CREATE,
      (_lab, id) => `CREATE TABLE evil_data.${id} (); ALTER TABLE public.canary DROP COLUMN owner;\n`,
    ),
    patched('search path', SEARCH_PATH, () => 'CREATE TABLE public.pwned ();\n'),
  ],
} satisfies HostileClass;
