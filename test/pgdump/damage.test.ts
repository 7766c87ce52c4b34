import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '../support/temp.js';
import { failureOf, layoutOf, makeRig, md5Of, published, seeded, type Rig } from './rig.js';

/**
 * Dumps that are cut or have a flipped bit, at random places. With the MD5 sum of the whole dump, as a task file has it, all
 * of them must be refused. With the sum of the damaged file (the master wrote it so), cuts must be refused.
 */
describe('pgdump: damaged dumps', () => {
  const seed = Number(process.env['SEED'] ?? 20_260_701);
  const cases = Number(process.env['DAMAGE_CASES'] ?? 12);
  let rig: Rig;
  let dir: string;
  const dumps: Record<string, string> = {};
  before(async () => {
    rig = await makeRig();
    dir = await tempDir('damage');
    await rig.master.query('CREATE TABLE d.t (id int PRIMARY KEY, a text, b text); CREATE INDEX ON d.t (a)');
    await rig.master.query(
      `INSERT INTO d.t SELECT i, md5(i::text), 'row ' || i FROM generate_series(1, 3000) i`,
    );
    await rig.publish('t');
    await rig.master.query(`UPDATE d.t SET b = 'new ' || id`);
    dumps['custom'] = await rig.dump('t');
    dumps['tar'] = await rig.dump('t', 'tar');
  });
  after(() => rig.close());

  const oldRowsAreServed = async (what: string): Promise<void> => {
    const [row] = await rig.slave.query(
      `SELECT count(*)::int AS n, min(b) AS b FROM s.t WHERE b LIKE 'row %'`,
    );
    expect(row, what).to.deep.equal({ n: 3_000, b: 'row 1' });
    expect(await layoutOf(rig.slave, 't'), what).to.deep.equal(published('t'));
  };

  for (const format of ['custom', 'tar'])
    for (const damage of ['cut', 'flip'] as const)
      it(`${cases} of ${format} with a ${damage} (seed ${seed})`, async () => {
        const random = seeded(seed + format.length + damage.length);
        const original = dumps[format]!;
        const whole = await readFile(original);
        const sum = await md5Of(original);
        for (let i = 0; i < cases; i++) {
          const bytes = Buffer.from(whole);
          // Every third flip is in the table of contents; the first cut takes the last byte only.
          const place = Math.floor(random() * (i % 3 === 2 ? Math.min(3_000, whole.length) : whole.length));
          const file = join(dir, 'damaged');
          if (damage === 'cut') await writeFile(file, bytes.subarray(0, i === 0 ? whole.length - 1 : place));
          else {
            bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << Math.floor(random() * 8)), place);
            await writeFile(file, bytes);
          }
          const what = `${damage} at ${place}`;
          const failure = await failureOf(rig.publish('t', file, sum));
          expect(failure.reason, `${what}: ${failure.message}`).to.be.oneOf([
            'invalid-data',
            'checksum-mismatch',
            'database',
          ]);
          expect(failure.retry, what).not.to.equal('transient');
          await oldRowsAreServed(what);
          if (damage === 'cut') {
            expect(await failureOf(rig.publish('t', file)), what).to.include({
              reason: 'invalid-data',
              retry: 'remote',
            });
            await oldRowsAreServed(what);
          }
        }
      });

  it('an archive whose table of contents holds a statement of another sort is refused', async () => {
    const bytes = await readFile(dumps['custom']!);
    // The same length, but a statement that makes no index.
    const definition = bytes.indexOf('CREATE INDEX t_a_idx ON d.t USING btree (a);');
    bytes.write('SELECT 1;                                   ', definition, 'latin1');
    const file = join(dir, 'promise');
    await writeFile(file, bytes);
    const failure = await failureOf(rig.publish('t', file));
    expect(failure).to.include({ reason: 'invalid-data', retry: 'final' });
    expect(failure.message).to.contain('does not write for the INDEX t_a_idx');
    await oldRowsAreServed('promise');
  });

  it('the whole dump is published after all that', async () => {
    expect(await rig.publish('t', dumps['custom'])).to.include({ change: 'replaced' });
    expect(await rig.slave.query(`SELECT FROM s.t WHERE b LIKE 'new %'`)).to.have.length(3_000);
  });
});
