import { cp, readlink, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { until } from './support/daemon.js';
import { installedProgram } from './support/installed.js';
import { workspaceFiles } from './support/master.js';
import { commitAll, must, type CommandOutcome } from './support/repository.js';
import { startPolling } from './support/polling.js';
import { makeRig, type Rig } from './support/rig.js';
import { tempDir } from './support/temp.js';
import { vcsOf } from './support/vcs.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The built program with a build of its own that needs no network. */
const BUILD = `import { cpSync, symlinkSync } from 'node:fs';
cpSync('program', 'dist', { recursive: true });
symlinkSync(${JSON.stringify(join(ROOT, 'node_modules'))}, 'node_modules');
`;

/** What the program's repository has at this version. */
async function writeVersion(folder: string, version: string, build = BUILD): Promise<string> {
  const head = { name: 'slave-sync', version };
  const scripts = { build: 'node build.mjs' };
  const packages = { '': head };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ ...head, type: 'module', scripts }));
  await writeFile(
    join(folder, 'package-lock.json'),
    JSON.stringify({ ...head, lockfileVersion: 3, packages }),
  );
  await writeFile(join(folder, 'build.mjs'), build);
  return commitAll('git', folder, version);
}

for (const { vcs, note } of vcsOf('update-run'))
  describe(`CODE_BRANCH with ${vcs}: the program runs from the checkout code/ of the state repository${note}`, function () {
    this.timeout(180_000);
    let rig: Rig;
    /** Of the program. */
    let upstream: string;
    let cli: string;

    const program = (...args: string[]): Promise<CommandOutcome> => rig.exec(process.execPath, cli, ...args);
    const version = async (): Promise<string> => (await program('--version')).stdout.trim();
    const reported = async (): Promise<{ code_version: string; last_sync_message: string }> => {
      const [row] = await rig.masterDatabase.query<{ code_version: string; last_sync_message: string }>(
        'SELECT code_version, last_sync_message FROM monitor_slaveserver',
      );
      return row!;
    };

    before(async () => {
      rig = await makeRig({ vcs, env: { CODE_BRANCH: 'uat', POLL_INTERVAL: '3600', LOG_LEVEL: 'debug' } });
      const folder = await tempDir('program');
      upstream = join(folder, 'upstream');
      await must('git', ['init', '-q', '-b', 'uat', upstream], folder);
      await cp(join(ROOT, 'dist'), join(upstream, 'program'), { recursive: true });
      await writeFile(join(upstream, '.gitignore'), '/dist*\n/releases/\nnode_modules\n/.env\n');
      await writeVersion(upstream, '1.0.0');
      const checkout = join(rig.clone, 'code');
      for (const args of [
        ['init', '-q', '-b', 'uat'],
        ['remote', 'add', 'origin', upstream],
        ['fetch', '-q', 'origin'],
        ['checkout', '-q', '-B', 'uat', 'origin/uat'],
      ])
        await must('git', args, checkout);
      await must('node', ['build.mjs'], checkout);
      cli = join(checkout, 'dist/cli.js');
      expect((await program('master', 'init')).code).to.equal(0);
    });
    after(() => rig.close());

    it('sync goes on with the new version, which reports itself', async () => {
      await rig.commit(workspaceFiles('town'));
      await rig.pull();
      if (vcs === 'hg') await rig.exec('hg', 'update', '-q');
      const first = await program('sync');
      expect([first.code, first.stderr]).to.deep.include(0);
      expect(await reported()).to.include({ code_version: '1.0.0 (uat)' });

      const head = await writeVersion(upstream, '1.1.0');
      const second = await program('sync');
      expect(second.code, second.stderr).to.equal(0);
      expect(second.stdout.match(/^slave-sync: revision/gm)).to.have.length(1);
      expect(await version()).to.equal('1.1.0');
      expect(await readlink(join(rig.clone, 'code/dist'))).to.equal(`releases/${head}/dist`);
      const status = await program('status', '--all');
      expect(status.stdout).to.include('town');
    });

    it('a hook does, with what the repository has told it; a failure rolls the pull back', async () => {
      const init = await program('init');
      expect(init.code, init.stdout).to.equal(0);
      const hooks = vcs === 'hg' ? '.hg/hgrc' : '.git/hooks/reference-transaction';
      expect(readFileSync(join(rig.clone, hooks), 'utf8')).to.include(cli);

      await writeVersion(upstream, '1.2.0');
      await rig.commit(workspaceFiles('hamlet'));
      const good = await rig.pull();
      expect(good.code, good.stderr).to.equal(0);
      expect(good.stdout + good.stderr).to.match(/1 done, 0 failed/);
      expect(await version()).to.equal('1.2.0');
      expect(await reported()).to.include({ code_version: '1.2.0 (uat)' });

      await rig.commit({ 'dpaw/layers/town.broken.json': '{' });
      expect((await rig.pull()).code).to.not.equal(0);
      await rig.commit({ 'dpaw/layers/town.broken.json': null });
      expect(await rig.pull()).to.include({ code: 0 });
    });

    // What is left has nothing to do with the kind of repository.
    if (vcs === 'git') return;

    it('a version that cannot be built changes nothing, and the master hears of it', async () => {
      await writeVersion(upstream, '1.4.0', `throw new Error('half a program');\n`);
      await rig.commit(workspaceFiles('farm'));
      const pulled = await rig.pull();
      expect(pulled.code, pulled.stderr).to.equal(0);
      expect(await version()).to.equal('1.2.0');
      const { last_sync_message: message } = await reported();
      expect(message).to.include('was not updated to uat').and.to.include('half a program');
      await writeVersion(upstream, '1.5.0');
      expect(await program('sync')).to.include({ code: 0 });
      expect((await reported()).last_sync_message).to.not.include('half a program');
    });

    it('the daemon goes on as the new version, again and again, in two processes at most', async () => {
      const daemon = await startPolling(rig, cli);
      const { pid } = daemon;
      try {
        await daemon.reach(1);
        for (const next of ['1.6.0', '1.7.0']) {
          await writeVersion(upstream, next);
          await rig.commit(workspaceFiles(`v${next.replaceAll('.', '')}`));
          process.kill(pid, 'SIGUSR1');
          const codeVersion = `${next} (uat)`;
          const isNew = async (): Promise<boolean> => (await reported()).code_version === codeVersion;
          expect(await until(isNew, 30_000), daemon.log()).to.be.true;
          // The sleep has to have begun: it is what SIGUSR1 ends.
          const before = daemon.ticks();
          await until(() => daemon.ticks() > before, 2_000);
        }
        const children = await rig.exec('pgrep', '-P', String(pid));
        expect(children.stdout.trim().split('\n')).to.have.length(1);
        // Once the tick has ended that it may be in the middle of.
        const isAlone = async (): Promise<boolean> =>
          (await rig.exec('pgrep', '-P', children.stdout.trim())).stdout === '';
        expect(await until(isAlone, 30_000)).to.equal(true);
      } finally {
        process.kill(pid, 'SIGTERM');
      }
      expect([(await daemon.ended).code, daemon.log()]).to.deep.include(0);
      expect(daemon.log()).to.include('daemon goes on with the new version');
    });

    it('says once that it is not updated where it is no checkout', async () => {
      const { cli: installed } = await installedProgram();
      const found = await rig.exec(process.execPath, installed, 'sync');
      expect(found.code, found.stderr).to.equal(0);
      expect(found.stderr.split('not run from a git checkout')).to.have.length(2);
    });
  });
