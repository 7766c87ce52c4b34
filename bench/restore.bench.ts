// The database part of a job: Database.publishTable beside a bare `pg_restore -1` of the same file, and what readers notice.
import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import { run } from '../src/lib/process.js';
import { environmentOf, makeRig, md5Of } from '../test/pgdump/rig.js';
import { postgres, type TestDatabase } from '../test/support/postgres.js';
import { difference, interleave, median, ratio, type Contender } from './support/measure.js';
import { ms, report, rounds, times } from './support/report.js';

const IDLE_MS = 3_000;
const [OWN, BARE] = ['publishTable', 'pg_restore -1'];

const rig = await makeRig();
const cluster = await postgres();
const bareDatabase = await cluster.createDatabase();

await bench('small', 100, rounds(15), 2);
await bench('large', 1_000_000, rounds(5), 3);
await rig.close();
// Servers end with this process.
process.exit(0);

/** Restores a table of so many points again and again, each time with other contents. */
async function bench(table: string, points: number, count: number, indexes: 2 | 3): Promise<void> {
  await rig.master.query(`
    CREATE TABLE d.${table} (id int PRIMARY KEY, name text, version int, wkb_geometry geometry(Point, 4326));
    INSERT INTO d.${table} SELECT id, 'name ' || id, 1, ST_SetSRID(ST_Point(114 + random() * 14, -35 + random() * 20), 4326)
      FROM generate_series(1, ${points}) AS id;
    CREATE INDEX ON d.${table} USING gist (wkb_geometry)`);
  if (indexes > 2) await rig.master.query(`CREATE INDEX ON d.${table} (name)`);
  // Two versions in turn: what is unchanged is not restored again.
  const dumps = [await rig.dump(table)];
  await rig.master.query(`UPDATE d.${table} SET version = 2 WHERE id = 1`);
  dumps.push(await rig.dump(table));
  const md5s = await Promise.all(dumps.map(md5Of));
  let round = 0;
  const publish = (): Promise<unknown> => {
    const turn = round++ % 2;
    return rig.publish(table, dumps[turn], md5s[turn]);
  };
  await publish();

  const own: Contender = { name: OWN, prepare: () => Promise.resolve({ run: publish }) };
  const bare: Contender = {
    name: BARE,
    prepare: async () => {
      await bareDatabase.query('DROP SCHEMA IF EXISTS d CASCADE; CREATE SCHEMA d');
      return { run: () => bareRestore(dumps[round % 2]!) };
    },
  };
  const samples = await interleave([own, bare], count);
  report(`${table}: ${points} points, ${indexes} indexes, ${count} rounds`, [
    {
      [`${OWN} ms`]: ms(median(samples.get(OWN)!)),
      [`${BARE} ms`]: ms(median(samples.get(BARE)!)),
      ratio: times(ratio(samples, OWN, BARE)),
      'above ms': ms(difference(samples, OWN, BARE)),
    },
  ]);

  const idle = await longestRead(
    rig.slave,
    `s.${table}`,
    new Promise((resolve) => setTimeout(resolve, IDLE_MS)),
  );
  await bare.prepare();
  const beside = await longestRead(rig.slave, `s.${table}`, bareRestore(dumps[0]!));
  const exchanged = await longestRead(rig.slave, `s.${table}`, publish());
  report(`${table}: the longest of the short reads of one reader`, [
    { 'idle ms': ms(idle), [`beside ${BARE} ms`]: ms(beside), [`during ${OWN} ms`]: ms(exchanged) },
  ]);
}

async function bareRestore(dump: string): Promise<void> {
  const args = ['-1', '--no-owner', '--no-privileges', '--dbname', bareDatabase.name, dump];
  await run(join(cluster.binDir, 'pg_restore'), args, { env: environmentOf(bareDatabase) });
}

/** Reads one row by its key, over and over until the work is done; the longest of it in milliseconds. */
async function longestRead(
  database: TestDatabase,
  relation: string,
  work: Promise<unknown>,
): Promise<number> {
  const client = await database.client();
  let [longest, done] = [0, false];
  const end = work.finally(() => (done = true));
  for (let id = 1; !isDone(); id = (id % 100) + 1) {
    const begin = performance.now();
    await client.query(`SELECT * FROM ${relation} WHERE id = $1`, [id]);
    longest = Math.max(longest, performance.now() - begin);
    await turn();
  }
  await end;
  await client.end();
  return longest;

  function isDone(): boolean {
    return done;
  }
}
