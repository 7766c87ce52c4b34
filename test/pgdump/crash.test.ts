import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isErrno } from '../../src/lib/errors.js';
import { restoreMark } from '../../src/pgdump/restore.js';
import { postgres, type TestCluster } from '../support/postgres.js';
import type { Order } from './crash-driver.js';
import { layoutOf, makeRig, md5Of, published, schemas, seeded, type Rig } from './rig.js';

/** What dies. */
const VICTIMS = ['agent', 'pg_restore', 'restoring backend', 'agent’s backend', 'server'] as const;
type Victim = (typeof VICTIMS)[number];

/** When: at a step of the agent, or some milliseconds after it. */
const MOMENTS = [
  { step: 'table is prepared', afterMs: 0 },
  { step: 'table is prepared', afterMs: 'random' },
  { step: 'table is restored', afterMs: 0 },
  { step: 'table is restored', afterMs: 'random' },
  { step: 'table is verified', afterMs: 0 },
  { step: 'table is verified', afterMs: 'random' },
  { step: 'table is exchanged', afterMs: 0 },
  { step: 'table is exchanged', afterMs: 'random' },
  { step: 'table is published', afterMs: 0 },
] as const;

/** What is published: for the first time, with the same columns, with others. */
const KINDS = ['first', 'same columns', 'other columns'] as const;

interface Case {
  readonly victim: Victim;
  readonly moment: (typeof MOMENTS)[number];
  readonly kind: (typeof KINDS)[number];
}

/** pg_restore and its backend are there only while it restores, so that moment is tried five times. */
function casesOf(victim: Victim): Case[] {
  const brief = victim === 'pg_restore' || victim === 'restoring backend';
  const restoring = MOMENTS.filter(({ step, afterMs }) => step === 'table is restored' && afterMs !== 0);
  const moments = brief ? Array.from({ length: 5 }, () => restoring).flat() : MOMENTS;
  return moments.flatMap((moment) => KINDS.map((kind) => ({ victim, moment, kind })));
}

/** Some of these, none twice. */
function drawn(cases: readonly Case[], count: number, random: () => number): Case[] {
  const left = [...cases];
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)).flat();
}

/**
 * kill -9 of whatever takes part, at each step. Afterwards the access view must be readable with all rows, old or new, and one
 * more run must reach the end: the new rows, nothing left over, and everything of others in place.
 * SLAVE_SYNC_CRASH=all runs all cases, otherwise a sample; SEED=<n> replays it.
 */
describe('pgdump: crashes', function () {
  this.timeout(90_000);
  const OLD_ROWS = 1_000;
  const NEW_ROWS = 20_000;
  const everything = process.env['SLAVE_SYNC_CRASH'] === 'all';
  const seed = Number(process.env['SEED'] ?? 20_261_120);
  const random = seeded(seed);
  const cases = VICTIMS.flatMap((victim) =>
    everything ? casesOf(victim) : drawn(casesOf(victim), 2, random),
  );

  let cluster: TestCluster;
  let rig: Rig;
  before(async () => {
    cluster = await postgres();
    rig = await makeRig();
    await rig.slave.query('CREATE ROLE crash_reader; CREATE SCHEMA mine');
  });
  after(async () => {
    await rig.slave.query('DROP OWNED BY crash_reader; DROP ROLE crash_reader');
    await rig.close();
  });

  /** Makes the table that is live before the crash, with things of others on it, and the dump to be published. */
  const setUp = async (t: string, kind: Case['kind']): Promise<string> => {
    await rig.master.query(
      `CREATE TABLE d.${t} (id int PRIMARY KEY, a text, b text); CREATE INDEX ON d.${t} (a);
       INSERT INTO d.${t} SELECT i, md5(i::text), 'old' FROM generate_series(1, ${OLD_ROWS}) i`,
    );
    if (kind !== 'first') {
      await rig.publish(t);
      await rig.slave.query(
        `CREATE TABLE mine.child_${t} (id int CONSTRAINT fk REFERENCES d.${t}); INSERT INTO mine.child_${t} VALUES (1);
         CREATE VIEW mine.on_${t} AS SELECT id FROM s.${t}; CREATE VIEW mine.direct_${t} AS SELECT id FROM d.${t};
         CREATE MATERIALIZED VIEW mine.stored_${t} AS SELECT id FROM d.${t};
         GRANT SELECT ON s.${t}, d.${t} TO crash_reader`,
      );
    }
    await rig.master.query(
      `TRUNCATE d.${t}; INSERT INTO d.${t} SELECT i, md5(i::text), 'new' FROM generate_series(1, ${NEW_ROWS}) i;
       ${kind === 'other columns' ? `ALTER TABLE d.${t} DROP COLUMN a, ALTER id TYPE bigint` : ''}`,
    );
    return rig.dump(t);
  };

  const startAgent = (order: Order): ChildProcess =>
    spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('crash-driver.ts', import.meta.url)), JSON.stringify(order)],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );

  const backends = async (where: string): Promise<number[]> =>
    (
      await rig.slave.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${where}`,
      )
    ).map(({ pid }) => pid);

  /** The agent may have ended its work since it was looked up. */
  const killIfThere = (pid: number): boolean => {
    try {
      cluster.killBackend(pid);
      return true;
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
      return false;
    }
  };

  /**
   * The server then ends all others; until it does, it still lets new ones in, which would look like a recovery. A backend that
   * was about to end by itself may take the signal without dying of it: then the server ends nobody.
   */
  const killBackends = async (pids: readonly number[]): Promise<void> => {
    const canary = await rig.slave.client();
    const sacked = new Promise<void>((resolve) => canary.once('end', resolve));
    const killed = pids.filter(killIfThere);
    if (killed.length > 0) await Promise.race([sacked, delay(5_000, undefined, { ref: false })]);
    await canary.end();
  };

  const strike = async (victim: Victim, agent: ChildProcess, t: string): Promise<void> => {
    const mark = `application_name = '${restoreMark('d', t)}'`;
    switch (victim) {
      case 'agent':
        agent.kill('SIGKILL');
        break;
      case 'pg_restore':
        await killChildren(agent.pid ?? 0, 'pg_restore');
        break;
      case 'restoring backend':
        await killBackends(await backends(mark));
        break;
      case 'agent’s backend':
        await killBackends(await backends(`application_name = 'slave-sync'`));
        break;
      case 'server':
        await cluster.stop('immediate');
        await cluster.start();
        break;
    }
  };

  const recovered = async (): Promise<void> => {
    for (let i = 0; i < 600; i++)
      try {
        await rig.slave.query('SELECT 1');
        return;
      } catch {
        await delay(50);
      }
    throw new Error('the server does not come back');
  };

  cases.forEach(({ victim, moment, kind }, number) => {
    const when = `${moment.afterMs === 0 ? 'before' : 'while'} the ${moment.step}`;
    it(`${victim} dies ${when}: ${kind} (seed ${seed})`, async () => {
      const t = `c${number}`;
      await recovered();
      const file = await setUp(t, kind);
      const { settings } = rig;
      const request = { ...schemas, table: t, dumpPath: file, md5: await md5Of(file), jobId: 'crash' };
      const agent = startAgent({
        settings: {
          ...{ host: settings.host, port: settings.port, database: settings.database, user: settings.user },
          password: rig.slave.password,
        },
        request,
        pauseMs: moment.afterMs === 0 ? 300 : 0,
      });
      const gone = once(agent, 'exit');
      const afterMs = moment.afterMs === 0 ? 0 : random() * (moment.step === 'table is restored' ? 120 : 8);
      let struck = false;
      for await (const line of createInterface({ input: agent.stdout! })) {
        if (line !== moment.step || struck) continue;
        struck = true;
        await delay(afterMs);
        await strike(victim, agent, t);
      }
      await gone;
      expect(struck, 'the step was reached').to.equal(true);
      await recovered();

      if (kind !== 'first' || (await layoutOf(rig.slave, t)).includes(`s.${t} v`)) {
        const [row] = await rig.slave.query(
          `SELECT count(*)::int AS n, min(b) AS low, max(b) AS high FROM s.${t}`,
        );
        expect(row).to.be.deep.oneOf([
          { n: OLD_ROWS, low: 'old', high: 'old' },
          { n: NEW_ROWS, low: 'new', high: 'new' },
        ]);
      }

      await rig.database.publishTable(request, new AbortController().signal);
      expect(await layoutOf(rig.slave, t)).to.deep.equal(published(t));
      const [row] = await rig.slave.query(
        `SELECT (SELECT count(*)::int FROM s.${t} WHERE b = 'new') AS rows,
                (SELECT count(*)::int FROM pg_index WHERE indrelid = 'd.${t}'::regclass) AS indexes,
                (SELECT count(*)::int FROM pg_constraint WHERE conname LIKE 'borg%') AS constraints_left,
                (SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'borg_swap%') AS schemas_left`,
      );
      expect(row).to.deep.equal({
        rows: NEW_ROWS,
        indexes: kind === 'other columns' ? 1 : 2,
        constraints_left: 0,
        schemas_left: 0,
      });
      expect(await backends(`application_name = '${restoreMark('d', t)}'`)).to.deep.equal([]);
      if (kind === 'first') return;
      const [others] = await rig.slave.query(
        `SELECT (SELECT count(*)::int FROM mine.on_${t}) AS view, (SELECT count(*)::int FROM mine.direct_${t}) AS direct,
                (SELECT count(*)::int FROM mine.stored_${t}) AS stored,
                (SELECT confrelid = 'd.${t}'::regclass AND convalidated FROM pg_constraint
                  WHERE conrelid = 'mine.child_${t}'::regclass AND conname = 'fk') AS key,
                has_table_privilege('crash_reader', 's.${t}', 'SELECT') AS view_grant,
                has_table_privilege('crash_reader', 'd.${t}', 'SELECT') AS table_grant`,
      );
      expect(others).to.deep.equal({
        view: NEW_ROWS,
        direct: NEW_ROWS,
        stored: NEW_ROWS,
        key: true,
        view_grant: true,
        table_grant: true,
      });
    });
  });
});

/** kill -9 of the children of a process that run this program. */
async function killChildren(parent: number, program: string): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [, name, ppid] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
    if (name === program && Number(ppid) === parent) process.kill(Number(pid), 'SIGKILL');
  }
}
