import { expect } from 'chai';
import type pg from 'pg';
import { layoutOf, makeRig, published, type Rig } from './rig.js';

/** Clients read through the access view while the table is republished again and again. */
describe('pgdump: readers', () => {
  const ROWS = 2_000;
  let rig: Rig;
  let t: string;
  let number = 0;
  before(async () => {
    rig = await makeRig();
  });
  after(() => rig.close());
  beforeEach(async () => {
    t = `r${++number}`;
    await rig.master.query(`CREATE TABLE d.${t} (id int PRIMARY KEY, version int, extra text)`);
    await rig.master.query(`INSERT INTO d.${t} SELECT i, 1 FROM generate_series(1, ${ROWS}) i`);
    await rig.publish(t);
  });

  /** Reads until `work` is done; returns the number of reads. A row must never be missing, versions never mixed. */
  const whileReading = async (relation: string, work: () => Promise<void>): Promise<number> => {
    let done = false;
    let reads = 0;
    const clients: pg.Client[] = await Promise.all(Array.from({ length: 4 }, () => rig.slave.client()));
    const readers = clients.map(async (client, i) => {
      while (!done) {
        const sql =
          i % 2 === 0
            ? `SELECT count(*)::int AS n, min(version) AS low, max(version) AS high FROM ${relation}`
            : `SELECT count(*)::int AS n, min(version) AS low, max(version) AS high FROM ${relation} WHERE id > 0`;
        const { rows } = await client.query<{ n: number; low: number; high: number }>(sql);
        expect(rows[0]!.n).to.equal(ROWS);
        expect(rows[0]!.low).to.equal(rows[0]!.high);
        reads++;
      }
    });
    const all = Promise.all(readers);
    try {
      await Promise.race([work(), all]);
    } finally {
      done = true;
      await all.finally(() => Promise.all(clients.map((client) => client.end())));
    }
    return reads;
  };

  const republish = async (rounds: number, change: (round: number) => string): Promise<void> => {
    for (let round = 2; round < rounds + 2; round++) {
      await rig.master.query(`UPDATE d.${t} SET version = ${round}; ${change(round)}`);
      await rig.publish(t);
    }
  };

  it('see no error, no missing row and no mixed rows while the columns stay the same', async () => {
    const reads = await whileReading(`s.${t}`, () => republish(8, () => ''));
    expect(reads).to.be.above(50);
    expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
  });

  it('nor while columns come, go and change their type', async () => {
    const changes = [
      'ADD COLUMN a int',
      'ALTER version TYPE bigint',
      'DROP COLUMN a',
      'ALTER version TYPE int, ADD COLUMN a text',
      'DROP COLUMN a, DROP COLUMN extra, ADD COLUMN extra text',
    ];
    const reads = await whileReading(`s.${t}`, () =>
      republish(10, (round) => `ALTER TABLE d.${t} ${changes[(round - 2) % changes.length]!}`),
    );
    expect(reads).to.be.above(50);
  });

  it('nor through views of their own, made anew or not', async () => {
    await rig.slave.query(`CREATE VIEW public.on_${t} AS SELECT id, version FROM s.${t};
      CREATE VIEW public.direct_${t} AS SELECT id, version FROM d.${t}`);
    const both = `(SELECT * FROM public.on_${t} UNION SELECT * FROM public.direct_${t}) both_views`;
    await whileReading(`public.on_${t}`, () =>
      republish(6, (round) => `ALTER TABLE d.${t} ALTER extra TYPE ${round % 2 ? 'text' : 'varchar(9)'}`),
    );
    expect(await rig.slave.query(`SELECT FROM ${both}`)).to.have.length(ROWS);
  });

  it('are not kept waiting behind a long one: the exchange waits, in short turns', async () => {
    const long = await rig.slave.client();
    await long.query('BEGIN');
    await long.query(`SELECT count(*) FROM s.${t}`); // holds its lock until the end of the transaction
    await rig.master.query(`UPDATE d.${t} SET version = 2`);
    const publishing = rig.publish(t);
    const short = await rig.slave.client();
    let longest = 0;
    const end = Date.now() + 1_500;
    while (Date.now() < end) {
      const start = performance.now();
      await short.query(`SELECT count(*) FROM s.${t}`);
      longest = Math.max(longest, performance.now() - start);
    }
    await long.query('COMMIT');
    expect(await publishing).to.include({ change: 'replaced' });
    await long.end();
    await short.end();
    // Lock timeouts grow from 50 ms by 1.6 per try: by then no single turn was longer than this.
    expect(longest).to.be.below(1_000);
  });
});
