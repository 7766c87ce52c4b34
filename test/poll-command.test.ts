import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { acquireLock } from '../src/state/lock.js';
import { isRunning, until } from './support/daemon.js';
import { featureFiles, workspaceFiles } from './support/master.js';
import { startPolling, usage, type PollingDaemon } from './support/polling.js';
import { makeRig, type Rig } from './support/rig.js';
import { tempDir } from './support/temp.js';
import { vcsOf } from './support/vcs.js';

const daemons: PollingDaemon[] = [];

/** `slave-sync poll` in the slave's clone, to the end of the test. */
async function startDaemon(rig: Rig): Promise<PollingDaemon> {
  const daemon = await startPolling(rig);
  daemons.push(daemon);
  return daemon;
}

async function stop(daemon: PollingDaemon): Promise<{ code: number; ms: number }> {
  const started = performance.now();
  process.kill(daemon.pid, 'SIGTERM');
  const { code } = await daemon.ended;
  return { code, ms: performance.now() - started };
}

async function schemas(rig: Rig): Promise<string[]> {
  const rows = await rig.slaveDatabase.query<{ nspname: string }>('SELECT nspname FROM pg_namespace');
  return rows.map((row) => row.nspname);
}

/** What a killed hg or git leaves, which keeps the next pull from working. */
async function makeStuck(rig: Rig): Promise<void> {
  if (rig.vcs === 'hg') {
    await writeFile(join(rig.clone, '.hg/store/journal'), '');
    return;
  }
  const lock = join(rig.clone, '.git/refs/remotes/origin/main.lock');
  await mkdir(join(lock, '..'), { recursive: true });
  await writeFile(lock, '');
  await utimes(lock, 0, 0);
}

async function setSource(rig: Rig, url: string): Promise<void> {
  if (rig.vcs === 'hg') await rig.exec('sed', '-i', `s|^default = .*|default = ${url}|`, '.hg/hgrc');
  else await rig.exec('git', 'remote', 'set-url', 'origin', url);
}

for (const { vcs, note } of vcsOf('poll-command'))
  describe(`slave-sync poll with ${vcs}${note}`, function () {
    this.timeout(120_000);
    let rig: Rig;

    before(async () => {
      rig = await makeRig({ vcs, env: { POLL_INTERVAL: '3600', LOG_LEVEL: 'debug' } });
      expect(await rig.cli('health')).to.deep.include({
        code: 3,
        stdout: 'SLAVE-SYNC UNKNOWN - nothing has run here yet\n',
      });
      // The hook would refuse each pull here, if it were not switched off.
      expect(await rig.cli('init')).to.include({ code: 0 });
      await rig.configure({ ROLLBACK: 'true' });
    });
    afterEach(async () => {
      const running = daemons.splice(0).filter(({ pid }) => isRunning(pid));
      for (const { pid, ended } of running) {
        process.kill(pid, 'SIGKILL');
        await ended;
      }
    });
    after(() => rig.close());

    it('--once pulls with the hook off, applies, and says nothing when there is nothing to do', async () => {
      const revision = await rig.commit(workspaceFiles('town'));
      const first = await rig.cli('poll', '--once');
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout).to.match(
        new RegExp(`^slave-sync: revision ${revision.slice(0, 12)}: 1 done, 0 failed`),
      );
      expect(await schemas(rig)).to.include('town_data');
      expect(await rig.cli('poll', '--once')).to.include({ code: 0, stdout: '' });
      const health = await rig.cli('health');
      expect(health.stdout).to.match(
        /^SLAVE-SYNC OK - last success \d+ s ago; .*\| age=\d+s;;36000 failed=0;0 /,
      );
      expect(health.code).to.equal(0);
    });

    it('--once recovers a stuck repository', async () => {
      await makeStuck(rig);
      await rig.commit(workspaceFiles('village'));
      const found = await rig.cli('poll', '--once');
      expect(found.code, found.stderr).to.equal(0);
      expect(found.stderr).to.include('repository recovered');
      expect(await schemas(rig)).to.include('village_data');
    });

    it('--once answers 75 while another run holds the lock, having pulled', async () => {
      const lock = acquireLock(join(rig.clone, 'code/.sync_status'), {
        pid: process.pid,
        command: 'slave-sync sync',
        since: '2026-01-01T00:00:00Z',
      });
      try {
        await rig.commit(workspaceFiles('hamlet'));
        const found = await rig.cli('poll', '--once');
        expect(found.code).to.equal(75);
        expect(found.stderr).to.include(`slave-sync sync (process ${process.pid})`);
        expect(await schemas(rig)).to.not.include('hamlet_data');
      } finally {
        lock.release();
      }
      expect(await rig.cli('health')).to.include({ code: 1 });
      expect(await rig.cli('poll', '--once')).to.include({ code: 0 });
      expect(await schemas(rig)).to.include('hamlet_data');
      expect(await rig.cli('health')).to.include({ code: 0 });
    });

    it('--once answers 1 for a job that fails, and for a master that cannot be reached; health warns', async () => {
      const trees = await featureFiles(rig, { workspace: 'town', name: 'trees' });
      await rig.commit({ ...trees, 'dpaw/layers/town.broken.json': '{' });
      expect(await rig.cli('poll', '--once')).to.include({ code: 1 });
      expect(await rig.rows('town.trees')).to.have.length(3);
      const failing = await rig.cli('health', '--json');
      expect(failing.code).to.equal(1);
      expect(JSON.parse(failing.stdout)).to.deep.include({
        state: 'warning',
        code: 1,
        text: '1 of 5 task files failed (dpaw/layers/town.broken.json)',
      });
      // Back to what was settled before: what was published beside the failure has to go all the same.
      await rig.commit({ 'dpaw/layers/town.trees.json': null, 'dpaw/layers/town.broken.json': null });
      expect(await rig.cli('poll', '--once')).to.include({ code: 0 });
      const views = await rig.rows('pg_views');
      expect(views.map((view) => view['viewname'])).to.not.include('trees');

      await rig.configure({ BORG_SSH: 'false' });
      await setSource(rig, 'ssh://nobody@localhost/state');
      try {
        for (const failures of ['1 poll', '2 polls']) {
          const found = await rig.cli('poll', '--once');
          expect([found.code, found.stdout]).to.deep.equal([1, '']);
          const health = await rig.cli('health');
          expect([health.code, health.stdout]).to.deep.include(1);
          expect(health.stdout).to.include(`${failures} failed in a row: ${vcs} `);
        }
        await delay(1_100);
        expect(await rig.cli('health', '--max-age', '1')).to.include({ code: 2 });
      } finally {
        await setSource(rig, rig.upstream);
      }
      expect(await rig.cli('poll', '--once')).to.include({ code: 0 });
      const well = await rig.cli('health');
      expect(well.code, well.stdout).to.equal(0);
    });

    it('applies what comes when SIGUSR1 wakes it, and ends with 0 at TERM', async () => {
      const daemon = await startDaemon(rig);
      await daemon.reach(1);
      await rig.commit(workspaceFiles('city'));
      process.kill(daemon.pid, 'SIGUSR1');
      // One that brings it, and one at once after it that finds nothing more.
      await daemon.reach(3);
      expect(await schemas(rig)).to.include('city_data');
      const { code, ms } = await stop(daemon);
      expect([code, daemon.log()]).to.deep.include(0);
      expect(ms).to.be.lessThan(5_000);
      expect(daemon.log()).to.match(/slave-sync: revision \w{12}: 1 done/);
      expect(daemon.log()).to.not.include('Debugger');
    });

    it('ends a pull that hangs, with its children, when TERM comes', async () => {
      const hanging = join(await tempDir('ssh'), 'ssh');
      await writeFile(hanging, `#!/bin/sh\necho $$ >'${hanging}.pid'\nexec sleep 300\n`);
      await chmod(hanging, 0o755);
      await rig.configure({ BORG_SSH: hanging });
      await setSource(rig, 'ssh://nobody@localhost/state');
      try {
        const daemon = await startDaemon(rig);
        const pid = async (): Promise<number> =>
          Number(await readFile(`${hanging}.pid`, 'utf8').catch(() => '0'));
        expect(await until(async () => (await pid()) > 0, 20_000), daemon.log()).to.be.true;
        const { code, ms } = await stop(daemon);
        expect([code, daemon.log()]).to.deep.include(0);
        expect(ms).to.be.lessThan(10_000);
        const child = await pid();
        expect(await until(() => !isRunning(child), 5_000)).to.be.true;
      } finally {
        await setSource(rig, rig.upstream);
      }
      expect(await rig.cli('poll', '--once')).to.include({ code: 0 });
    });

    it('uses no more files or memory after many ticks, and leaves no process behind', async function () {
      this.timeout(300_000);
      const daemon = await startDaemon(rig);
      const warmUp = 12;
      const samples: { files: number; memory: number }[] = [];
      for (let n = 1; n <= 36; n += 1) {
        await daemon.reach(n);
        if (n % warmUp === 0) {
          await delay(500);
          samples.push(await usage(daemon.pid));
        }
        process.kill(daemon.pid, 'SIGUSR1');
      }
      const [first, , last] = samples;
      // 24 ticks later: a sample may come while a database is open.
      expect(last!.files, JSON.stringify(samples)).to.be.at.most(first!.files + 8);
      // Node's heap is still growing into its usual size here; half a MiB a tick would be a leak.
      expect(last!.memory - first!.memory, JSON.stringify(samples)).to.be.lessThan(24 * 512);
      expect((await stop(daemon)).code).to.equal(0);
      const left = await rig.exec('sh', '-c', `ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c '${rig.clone}$'`);
      // The shell that asks, and what it runs, are there themselves.
      expect(Number(left.stdout)).to.be.at.most(3);
    });

    it('does not start with a wrong setting', async () => {
      await rig.configure({ POLL_INTERVAL: 'often' });
      const found = await rig.cli('poll');
      expect(found.code).to.equal(2);
      expect(found.stderr).to.include('POLL_INTERVAL');
      expect(await rig.cli('health')).to.include({ code: 3 });
    });
  });
