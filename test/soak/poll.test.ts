import { expect } from 'chai';
import { until } from '../support/daemon.js';
import { featureFiles, workspaceFiles } from '../support/master.js';
import { startPolling, usage, type PollingDaemon } from '../support/polling.js';
import { makeRig, type Rig } from '../support/rig.js';

/** All polls of a soak, of both kinds of repository together; a few unless SLAVE_SYNC_SOAK says how many. */
const POLLS = Number(process.env['SLAVE_SYNC_SOAK'] ?? 10);
const IS_SAMPLE = process.env['SLAVE_SYNC_SOAK'] === undefined;
/** Repeats a soak that failed. */
const SEED = Number(process.env['SLAVE_SYNC_SEED'] ?? 20_261_121);
const LAYERS = ['trees', 'roads', 'rivers', 'parks'];
const WORKSPACES = ['town', 'city', 'farm', 'port', 'wood'];

/** What the repository says of a layer. */
type Wanted = { readonly state: 'good' | 'bad'; readonly jobId: number } | undefined;

/** Mulberry32: small, and the same on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A master, a slave with its daemon, and what happens to them. */
class Soak {
  readonly wanted = new Map<string, Wanted>();
  readonly published = new Set<string>(['town']);
  readonly counts = { polls: 0, commits: 0, restarts: 0, kills: 0, outages: 0 };
  readonly #rig: Rig;
  readonly #random: () => number;
  readonly #task = new Map<string, string>();
  #daemon!: PollingDaemon;
  #masterIsUp = true;
  #jobId = 0;

  constructor(rig: Rig, seed: number) {
    this.#rig = rig;
    this.#random = generator(seed);
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  async begin(): Promise<void> {
    for (const name of LAYERS) {
      const files = await featureFiles(this.#rig, { workspace: 'town', name });
      this.#task.set(name, Object.values(files)[0] ?? '');
    }
    await this.#rig.commit(workspaceFiles('town'));
    await this.#start();
  }

  /** Random changes, and a poll. */
  async round(mayRestart: boolean): Promise<void> {
    if (this.#chance(0.7)) await this.#commit();
    if (this.#chance(0.15)) await this.#commit();
    if (this.#chance(0.15)) await this.#toggleMaster();
    if (mayRestart && this.#chance(0.12)) await this.#restart(this.#chance(0.5));
    await this.#poll();
  }

  /** What chance has not brought yet, so that a sample has some of everything. */
  async mishaps(): Promise<void> {
    if (this.counts.outages === 0) {
      await this.#toggleMaster();
      await this.#poll();
    }
    if (this.counts.kills === 0) await this.#restart(true);
  }

  /** Everything is up again, and what is left gets done. */
  async settle(): Promise<void> {
    if (!this.#masterIsUp) await this.#toggleMaster();
    await this.#poll();
    await this.#poll();
  }

  async end(): Promise<void> {
    process.kill(this.pid, 'SIGTERM');
    expect((await this.#daemon.ended).code).to.equal(0);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }

  async #commit(): Promise<void> {
    this.counts.commits += 1;
    if (this.#chance(0.1)) {
      const workspace = this.#pick(WORKSPACES);
      this.published.add(workspace);
      await this.#rig.commit(workspaceFiles(workspace, { job_id: (this.#jobId += 1) }));
      return;
    }
    const name = this.#pick(LAYERS);
    const path = `dpaw/layers/town.${name}.json`;
    if (this.wanted.get(name) !== undefined && this.#chance(0.35)) {
      this.wanted.set(name, undefined);
      await this.#rig.commit({ [path]: null });
      return;
    }
    const [state, jobId] = [this.#chance(0.25) ? 'bad' : 'good', (this.#jobId += 1)] as const;
    const task = JSON.parse(this.#task.get(name) ?? '') as { data: { file: string } };
    const data =
      state === 'good' ? task.data : { ...task.data, file: `${task.data.file}.missing`, md5: '0'.repeat(32) };
    this.wanted.set(name, { state, jobId });
    await this.#rig.commit({ [path]: JSON.stringify({ ...task, data, job_id: jobId }) });
  }

  async #start(): Promise<void> {
    this.#daemon = await startPolling(this.#rig);
    await this.#daemon.reach(1);
    this.counts.polls += 1;
  }

  /** Woken, it pulls at once; a pull that brought something is followed by one that does not. */
  async #poll(): Promise<void> {
    const before = this.#daemon.ticks();
    process.kill(this.pid, 'SIGUSR1');
    await this.#daemon.reach(before + 1);
    this.counts.polls += 1;
  }

  async #restart(isKilled: boolean): Promise<void> {
    this.counts.restarts += 1;
    if (isKilled) {
      this.counts.kills += 1;
      process.kill(this.pid, 'SIGUSR1');
      await until(() => false, this.#random() * 800);
    }
    process.kill(this.pid, isKilled ? 'SIGKILL' : 'SIGTERM');
    await this.#daemon.ended;
    await this.#start();
  }

  /** Away with all connections to the master's database, and none can be made; or back again. */
  async #toggleMaster(): Promise<void> {
    this.#masterIsUp = !this.#masterIsUp;
    if (!this.#masterIsUp) this.counts.outages += 1;
    const { name } = this.#rig.masterDatabase;
    await this.#rig.slaveDatabase.query(
      `ALTER DATABASE "${name}" WITH ALLOW_CONNECTIONS ${this.#masterIsUp ? 'true' : 'false'}`,
    );
    await this.#rig.slaveDatabase.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`,
      [name],
    );
  }
}

/** Both ends at last. */
async function compare(rig: Rig, soak: Soak): Promise<void> {
  const names = async (sql: string): Promise<unknown[]> =>
    (await rig.slaveDatabase.query(sql)).map((row) => row['name']);
  const schemas = await names(`SELECT nspname AS name FROM pg_namespace`);
  for (const workspace of soak.published) expect(schemas).to.include(`${workspace}_data`);
  const views = await names(`SELECT viewname AS name FROM pg_views WHERE schemaname = 'town'`);
  const rows = await rig.masterDatabase.query('SELECT * FROM monitor_publishsyncstatus');
  for (const layer of LAYERS) {
    const wanted = soak.wanted.get(layer);
    const row = rows.find((one) => one['publish'] === layer);
    const what = `${layer}: ${JSON.stringify({ wanted, row })}`;
    if (wanted === undefined) {
      expect(row, what).to.equal(undefined);
      expect(views, what).to.not.include(layer);
    } else if (wanted.state === 'good') {
      expect(row, what).to.include({ deploied_job_id: wanted.jobId, sync_job_id: null, sync_time: null });
      expect(await rig.rows(`town.${layer}`), what).to.have.length(3);
    } else {
      expect(row, what).to.include({ sync_job_id: wanted.jobId });
    }
  }
  const tasks = await rig.masterDatabase.query(
    `SELECT task_name AS name, sync_succeed FROM monitor_tasksyncstatus WHERE task_type = 'workspace' ORDER BY 1`,
  );
  expect(tasks).to.deep.equal([...soak.published].sort().map((name) => ({ name, sync_succeed: true })));
  expect(rows.map((row) => row['publish'])).to.have.members(
    LAYERS.filter((layer) => soak.wanted.get(layer) !== undefined),
  );
}

describe(`soak: ${POLLS} polls${IS_SAMPLE ? ' (a sample; `npm run test:soak` does 500)' : ''}`, function () {
  this.timeout(30 * 60_000);
  // The sample takes one kind of repository: the other one is in all other tests of the daemon.
  for (const [index, vcs] of (IS_SAMPLE ? (['git'] as const) : (['hg', 'git'] as const)).entries())
    it(`${vcs}: random commits, failures, restarts, and a master that comes and goes`, async function () {
      const env = { POLL_INTERVAL: '3600', LOG_LEVEL: 'debug' };
      const rig = await makeRig({ vcs, env });
      try {
        expect(await rig.cli('master', 'init')).to.include({ code: 0 });
        const soak = new Soak(rig, SEED + index);
        const polls = IS_SAMPLE ? POLLS : POLLS / 2;
        await soak.begin();
        while (soak.counts.polls < polls / 2) await soak.round(true);
        await soak.mishaps();
        // From here on one process, whose memory is looked at once it has its usual size.
        const measured: { files: number; memory: number }[] = [];
        while (soak.counts.polls < polls - 2) {
          await soak.round(false);
          measured.push(await usage(soak.pid));
        }
        await soak.settle();
        await compare(rig, soak);
        await soak.end();
        const settled = measured.slice(Math.floor(measured.length / 2));
        const [first, last] = [settled[0]!, settled.at(-1)!];
        const grown = { files: last.files - first.files, memory: last.memory - first.memory };
        const text = JSON.stringify({ seed: SEED + index, ...soak.counts, first, last });
        process.stdout.write(`      ${text}\n`);
        // A sample may come while a database is open; half a MiB a poll would be a leak.
        expect(grown.files, text).to.be.at.most(8);
        expect(grown.memory, text).to.be.lessThan(16_384 + 256 * settled.length);
        if (IS_SAMPLE)
          process.stdout.write('      left out: 490 polls, hg, and flat memory over many polls\n');
      } finally {
        await rig.close();
      }
    });
});
