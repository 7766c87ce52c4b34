import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { install, type InstallPlan } from '../../src/hooks/install.js';
import { findRepository } from '../../src/hooks/repository.js';
import { command, makeRepository, must, type TestRepository } from '../support/repository.js';
import { tempDir } from '../support/temp.js';
import { env, failureOf, isRunning, until } from './helpers.js';

/** Installs in a folder's repository, with this command as slave-sync. */
async function installIn(root: string, words: readonly string[], dryRun = false): Promise<InstallPlan> {
  const repository = await findRepository(root);
  return install({ repository: repository!, command: words, env, dryRun });
}

/**
 * A program in place of slave-sync, in a folder with a space and a quote: notes its arguments, its stdin for git, and
 * the signal that ends it; its exit code is in the file `verdict`.
 */
async function makeAgent() {
  const folder = join(await tempDir('agent'), "it's here");
  const program = join(folder, 'slave-sync');
  await mkdir(folder);
  await writeFile(
    program,
    `#!/bin/sh
cd "$(dirname "$0")" || exit 99
trap 'echo TERM >>calls; exit 1' TERM
echo "$*" >>calls
[ "$2" = git ] && cat >>input
echo $$ >pid
[ -e wait ] && while [ -e wait ]; do sleep 0.05; done
exit "$(cat verdict)"
`,
    { mode: 0o755 },
  );
  await writeFile(join(folder, 'verdict'), '0');
  return {
    words: ['/usr/bin/env', program],
    verdict: async (code: number) => writeFile(join(folder, 'verdict'), String(code)),
    calls: async () => readFile(join(folder, 'calls'), 'utf8').catch(() => ''),
    input: async () => readFile(join(folder, 'input'), 'utf8'),
    hold: async () => writeFile(join(folder, 'wait'), ''),
    pid: async () => Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => '0')),
  };
}

async function tip(rig: TestRepository): Promise<string> {
  return rig.vcs === 'hg'
    ? must('hg', ['log', '-r', 'tip', '-T', '{node}'], rig.clone)
    : (
        await command('git', ['rev-parse', '--verify', '-q', 'refs/remotes/origin/main'], rig.clone)
      ).stdout.trim();
}

const none = { hg: '0'.repeat(40), git: '' } as const;

for (const vcs of ['hg', 'git'] as const) {
  describe(`${vcs} install`, () => {
    it('makes every pull ask slave-sync, which can refuse it', async () => {
      const rig = await makeRepository(vcs);
      const agent = await makeAgent();
      const revision = await rig.commit({ 'a.json': 'a' });
      const plan = await installIn(rig.clone, agent.words);
      expect(plan.warnings).to.deep.equal([]);
      await agent.verdict(7);
      expect((await rig.pull()).code).to.not.equal(0);
      expect(await tip(rig)).to.equal(none[vcs]);
      await agent.verdict(0);
      expect((await rig.pull()).code).to.equal(0);
      expect(await tip(rig)).to.equal(revision);
      const expected = vcs === 'hg' ? 'hook hg\n' : 'hook git prepared\n';
      expect(await agent.calls()).to.equal(expected.repeat(2));
      if (vcs === 'git')
        expect(await agent.input()).to.equal(
          `${'0'.repeat(40)} ${revision} refs/remotes/origin/main\n`.repeat(2),
        );
    });

    it('is done once, and says before what it will do', async () => {
      const rig = await makeRepository(vcs);
      const dry = await installIn(rig.clone, ['/usr/bin/slave-sync'], true);
      expect(dry.changes.flatMap((change) => change.what)).to.have.length(2);
      const done = await installIn(rig.clone, ['/usr/bin/slave-sync']);
      expect(done).to.deep.equal(dry);
      for (const change of done.changes)
        if (change.type === 'write') expect(await readFile(change.file)).to.deep.equal(change.after);
      expect((await installIn(rig.clone, ['/usr/bin/slave-sync'])).changes).to.deep.equal([]);
      const moved = await installIn(rig.clone, ['/opt/slave-sync']);
      expect(moved.changes).to.have.length(vcs === 'hg' ? 1 : 2);
      expect((await installIn(rig.clone, ['/opt/slave-sync'])).changes).to.deep.equal([]);
    });

    it('refuses local commits through slave-sync', async () => {
      const rig = await makeRepository(vcs);
      const agent = await makeAgent();
      await installIn(rig.clone, agent.words);
      await agent.verdict(1);
      await writeFile(join(rig.clone, 'local.json'), 'x');
      await must(vcs, ['add', 'local.json'], rig.clone);
      expect((await command(vcs, ['commit', '-m', 'local'], rig.clone)).code).to.not.equal(0);
      expect(await agent.calls()).to.equal('hook deny\n');
    });

    it('refuses a command that a hook cannot run', async () => {
      const rig = await makeRepository(vcs);
      for (const words of [['slave-sync'], ['/opt/slave\nsync'], []])
        expect((await failureOf(installIn(rig.clone, words))).reason).to.equal('invalid-config');
    });

    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      it(`ends slave-sync with TERM when ${vcs} gets ${signal}`, async () => {
        const rig = await makeRepository(vcs);
        const agent = await makeAgent();
        await rig.commit({ 'a.json': 'a' });
        await installIn(rig.clone, agent.words);
        await agent.hold();
        const args = vcs === 'hg' ? ['pull'] : ['fetch', 'origin'];
        const pidFile = join(rig.clone, '..', 'vcs.pid');
        const pulling = command('sh', ['-c', `echo $$ >"$0"; exec "$@"`, pidFile, vcs, ...args], rig.clone);
        await until(async () => (await agent.pid()) !== 0);
        const pid = await agent.pid();
        process.kill(Number(await readFile(pidFile, 'utf8')), signal);
        await until(async () => !(await isRunning(pid)));
        expect((await pulling).code).to.not.equal(0);
        expect((await agent.calls()).split('\n')[1]).to.equal('TERM');
      });
  });
}

describe('hg install', () => {
  const sample = 'hgrc.sample';

  it('replaces what ran the Python agent and keeps every other byte', async () => {
    const rig = await makeRepository('hg');
    const file = join(rig.clone, '.hg/hgrc');
    const before = Buffer.from(
      '# caf\xe9\n[extensions]\nstrip = \n\n[paths]\ndefault = ssh://hg@example.org/state\n\n[hooks]\nprecommit = .hg/denied.sh\n; note\n' +
        'pretxnchangegroup = code/venv/bin/honcho -e code/.env run\n  code/venv/bin/python code/slave_sync.py\nincoming.mail=notify\n\n[ui]\nusername = x',
      'latin1',
    );
    await writeFile(file, before);
    await chmod(file, 0o640);
    await installIn(rig.clone, ['/usr/bin/slave-sync']);
    const lines = (await readFile(file, 'latin1')).split('\n');
    expect(lines.slice(0, 9)).to.deep.equal([
      '# caf\xe9',
      '[extensions]',
      'strip = ',
      '',
      '[paths]',
      'default = ssh://hg@example.org/state',
      '',
      '[hooks]',
      'precommit = /usr/bin/slave-sync hook deny',
    ]);
    expect(lines[10]).to.match(/^pretxnchangegroup\.slave-sync = exec .*hook hg; exit \$\?'$/);
    expect([lines[9], ...lines.slice(11)]).to.deep.equal([
      '; note',
      'incoming.mail=notify',
      '',
      '[ui]',
      'username = x',
    ]);
    expect((await stat(file)).mode & 0o777).to.equal(0o640);
  });

  it("leaves others' hooks alone, whatever their form", async () => {
    const rig = await makeRepository('hg');
    const file = join(rig.clone, '.hg/hgrc');
    const foreign = '[hooks]\r\nprecommit = check-style\r\npretxnchangegroup = verify\r\n  --all';
    await writeFile(file, foreign);
    await installIn(rig.clone, ['/usr/bin/slave-sync']);
    const text = await readFile(file, 'utf8');
    expect(
      text.startsWith(`${foreign}\r\nprecommit.slave-sync = /usr/bin/slave-sync hook deny\r\n`),
    ).to.equal(true);
    const shown = await must('hg', ['config', 'hooks', '-T', '{name}\n'], rig.clone);
    expect(shown.split('\n').sort()).to.deep.equal([
      'hooks.precommit',
      'hooks.precommit.slave-sync',
      'hooks.pretxnchangegroup',
      'hooks.pretxnchangegroup.slave-sync',
    ]);
    expect((await installIn(rig.clone, ['/usr/bin/slave-sync'])).changes).to.deep.equal([]);
  });

  it('warns of a Python agent that another file still starts', async () => {
    const rig = await makeRepository('hg');
    await writeFile(
      join(rig.clone, '.hg/other.rc'),
      '[hooks]\npretxnchangegroup = python code/slave_sync.py\n',
    );
    await writeFile(join(rig.clone, '.hg/hgrc'), '%include other.rc\n');
    const { warnings } = await installIn(rig.clone, ['/usr/bin/slave-sync']);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.contain('other.rc').and.to.contain('pretxnchangegroup');
  });

  it('has a sample that is what it would write', async () => {
    const rig = await makeRepository('hg');
    await writeFile(join(rig.clone, '.hg/hgrc'), await readFile(sample));
    expect((await installIn(rig.clone, ['/usr/bin/slave-sync'])).changes).to.deep.equal([]);
  });
});

describe('git install', () => {
  it('calls the hook that was there first, which can refuse, too', async () => {
    const rig = await makeRepository('git');
    const agent = await makeAgent();
    await rig.commit({ 'a.json': 'a' });
    const hook = join(rig.clone, '.git/hooks/reference-transaction');
    const log = join(rig.clone, '..', 'foreign.log');
    await mkdir(dirname(hook), { recursive: true });
    await writeFile(hook, `#!/bin/sh\necho "$1" >>'${log}'\ncat >>'${log}'\n[ ! -e '${log}.refuse' ]\n`, {
      mode: 0o755,
    });
    await installIn(rig.clone, agent.words);
    expect((await installIn(rig.clone, agent.words)).changes).to.deep.equal([]);
    await writeFile(`${log}.refuse`, '');
    expect((await command('git', ['fetch', '-q'], rig.clone)).code).to.not.equal(0);
    expect(await agent.calls()).to.equal('');
    await must('rm', [`${log}.refuse`], rig.clone);
    await must('git', ['fetch', '-q'], rig.clone);
    expect(await agent.calls()).to.equal('hook git prepared\n');
    expect(await readFile(log, 'utf8'))
      .to.contain('committed\n')
      .and.to.contain('refs/remotes/origin/main');
    await writeFile(hook, '#!/bin/sh\n');
    expect((await failureOf(installIn(rig.clone, agent.words))).reason).to.equal('conflict');
  });

  it('is not woken by tags, other refs, or a collection of garbage', async () => {
    const rig = await makeRepository('git');
    const agent = await makeAgent();
    await rig.commit({ 'a.json': 'a' });
    await must('git', ['fetch', '-q'], rig.clone);
    await installIn(rig.clone, agent.words);
    await must('git', ['tag', 'v1'], rig.upstream);
    await must('git', ['fetch', '-q', '--tags'], rig.clone);
    await must('git', ['branch', 'local', 'origin/main'], rig.clone);
    expect(await agent.calls()).to.equal('');
  });

  it('uses core.hooksPath of the repository, and refuses one that all share', async () => {
    const rig = await makeRepository('git');
    const hooks = await tempDir('hooks');
    await must('git', ['config', 'core.hooksPath', hooks], rig.clone);
    const { changes } = await installIn(rig.clone, ['/usr/bin/slave-sync']);
    expect(changes.map((change) => change.file)).to.deep.equal([
      join(hooks, 'reference-transaction'),
      join(hooks, 'pre-commit'),
    ]);
    await must('git', ['config', '--unset', 'core.hooksPath'], rig.clone);
    const settings = join(hooks, 'gitconfig');
    await writeFile(settings, `[core]\nhooksPath = ${hooks}\n`);
    const repository = await findRepository(rig.clone);
    const shared = install({
      repository: repository!,
      command: ['/usr/bin/slave-sync'],
      env: { ...env, GIT_CONFIG_GLOBAL: settings },
    });
    const failure = await failureOf(shared);
    expect(failure.reason).to.equal('conflict');
    expect(failure.hint).to.contain('config core.hooksPath');
  });

  it('notices a hook that has lost its executable bit', async () => {
    const rig = await makeRepository('git');
    await installIn(rig.clone, ['/usr/bin/slave-sync']);
    await chmod(join(rig.clone, '.git/hooks/reference-transaction'), 0o644);
    const { changes } = await installIn(rig.clone, ['/usr/bin/slave-sync']);
    expect(changes.map((change) => change.what)).to.deep.equal([['make the hook executable']]);
    expect((await installIn(rig.clone, ['/usr/bin/slave-sync'])).changes).to.deep.equal([]);
  });

  it('judges in pre-receive what is pushed to a bare repository', async () => {
    const rig = await makeRepository('git');
    const agent = await makeAgent();
    const bare = join(rig.clone, '..', 'bare');
    await must('git', ['init', '-q', '--bare', '-b', 'main', bare], rig.clone);
    const { changes } = await installIn(bare, agent.words);
    expect(changes.map((change) => change.file)).to.deep.equal([join(bare, 'hooks/pre-receive')]);
    const revision = await rig.commit({ 'a.json': 'a' });
    await agent.verdict(1);
    expect((await command('git', ['push', '-q', bare, 'main'], rig.upstream)).code).to.not.equal(0);
    await agent.verdict(0);
    await must('git', ['push', '-q', bare, 'main'], rig.upstream);
    expect(await agent.calls()).to.equal('hook git pre-receive\n'.repeat(2));
    expect(await agent.input()).to.equal(`${'0'.repeat(40)} ${revision} refs/heads/main\n`.repeat(2));
  });
});
