import { chmod, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { install } from '../../src/hooks/install.js';
import { isOurHook } from '../../src/hooks/ours.js';
import { pull, RepositoryStuck } from '../../src/hooks/pull.js';
import { findRepository, type PullOptions } from '../../src/hooks/repository.js';
import { makeRepository, must, type TestRepository } from '../support/repository.js';
import { env, failureOf, isRunning, open, until } from './helpers.js';
import { sshd } from '../support/sshd.js';

async function pullIn(rig: TestRepository, options: PullOptions = {}, branch?: string) {
  const repository = await open(rig.clone, branch);
  try {
    return await pull(repository, options);
  } finally {
    await repository.close();
  }
}

/** Points the clone at another place. */
async function setSource(rig: TestRepository, url: string): Promise<void> {
  if (rig.vcs === 'hg') await writeFile(join(rig.clone, '.hg/hgrc'), `[paths]\ndefault = ${url}\n`);
  else await must('git', ['remote', 'set-url', 'origin', url], rig.clone);
}

for (const vcs of ['hg', 'git'] as const) {
  describe(`${vcs} pull`, () => {
    it('says whether the branch moved, and where it is', async () => {
      const rig = await makeRepository(vcs);
      const first = await rig.commit({ 'a.json': 'a' });
      expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision: first });
      expect(await pullIn(rig)).to.deep.equal({ outcome: 'unchanged', revision: first });
      const second = await rig.commit({ 'a.json': 'b' });
      expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision: second });
    });

    it('pulls over ssh', async () => {
      const rig = await makeRepository(vcs);
      const revision = await rig.commit({ 'a.json': 'a' });
      const { host, port, user, sshCommand } = await sshd();
      const path = vcs === 'hg' ? `/${rig.upstream}` : rig.upstream;
      await setSource(rig, `ssh://${user}@${host}:${port}${path}`);
      const found = await pullIn(rig, { ssh: sshCommand });
      expect(found).to.deep.equal({ outcome: 'changed', revision });
      const failure = await failureOf(pullIn(rig, { ssh: `${sshCommand} -o ProxyCommand=false` }));
      expect([failure.reason, failure.retry]).to.deep.equal(['connection', 'transient']);
    });

    it('tells a wrong branch from a wrong address', async () => {
      const rig = await makeRepository(vcs);
      await rig.commit({ 'a.json': 'a' });
      const branch = await failureOf(pullIn(rig, {}, 'uat'));
      expect([branch.reason, branch.retry]).to.deep.equal(['invalid-config', 'remote']);
      expect(branch.message).to.contain('uat');
      await setSource(rig, join(rig.clone, 'nowhere'));
      const address = await failureOf(pullIn(rig));
      expect([address.reason, address.retry]).to.deep.equal(['invalid-config', 'remote']);
      expect(address.message).to.contain('nowhere');
    });

    for (const manner of ['', "trap '' TERM\n"])
      it(`ends a pull that hangs, with all its children${manner === '' ? '' : ', also those that ignore TERM'}`, async () => {
        const rig = await makeRepository(vcs);
        const hanging = join(rig.clone, '..', 'hanging-ssh');
        await writeFile(hanging, `#!/bin/sh\n${manner}echo $$ >'${hanging}.pid'\nexec sleep 300\n`);
        await chmod(hanging, 0o755);
        await setSource(rig, 'ssh://nobody@localhost/x');
        const failure = await failureOf(pullIn(rig, { ssh: hanging, timeoutMs: 1_500, graceMs: 1_000 }));
        expect([failure.reason, failure.retry]).to.deep.equal(['timed-out', 'transient']);
        const pid = Number(await readFile(`${hanging}.pid`, 'utf8'));
        await until(async () => !(await isRunning(pid)));
      });

    it('passes the installed hook by, which a pull by hand does not', async () => {
      const rig = await makeRepository(vcs);
      const revision = await rig.commit({ 'a.json': 'a' });
      const repository = await findRepository(rig.clone);
      await install({ repository: repository!, command: ['/bin/false'], env });
      expect((await rig.pull()).code).to.not.equal(0);
      expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
    });
  });
}

describe('git pull and hooks', () => {
  it('lets the hook that was there before decide', async () => {
    const rig = await makeRepository('git');
    const revision = await rig.commit({ 'a.json': 'a' });
    const hook = join(rig.clone, '.git/hooks/reference-transaction');
    await writeFile(hook, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const repository = await findRepository(rig.clone);
    await install({ repository: repository!, command: ['/bin/false'], env });
    const refused = await failureOf(pullIn(rig));
    expect([refused.reason, refused.retry]).to.deep.equal(['command-failed', 'transient']);
    expect(refused.message).to.contain('a hook refused');
    await writeFile(`${hook}.before-slave-sync`, '#!/bin/sh\nexit 0\n');
    expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
  });
});

describe('hg pull and hooks', () => {
  it('switches every hook of ours off, and lets the others decide', async () => {
    const rig = await makeRepository('hg');
    const revision = await rig.commit({ 'a.json': 'a' });
    const hgrc = join(rig.clone, '.hg/hgrc');
    const hooks = [
      'pretxnchangegroup = code/venv/bin/honcho -e code/.env run code/venv/bin/python code/slave_sync.py',
      "pretxnchangegroup.slave-sync = '/opt/any where/node' '/x/cli.js' hook hg",
      'changegroup.now = /usr/bin/slave-sync sync',
    ];
    const others = `[paths]\ndefault = ${rig.upstream}\n[hooks]\n${hooks.join('\n')}\n`;
    await writeFile(hgrc, `${others}pretxnchangegroup.notify = echo notified >notified; false\n`);
    const refused = await failureOf(pullIn(rig));
    expect(refused.message).to.contain('pretxnchangegroup.notify');
    await writeFile(hgrc, `${others}pretxnchangegroup.notify = echo notified >notified\n`);
    expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
    expect(await readFile(join(rig.clone, 'notified'), 'utf8')).to.equal('notified\n');
  });

  it('knows a hook of ours by key or command, and no other', () => {
    for (const [key, value] of [
      ['pretxnchangegroup', 'code/venv/bin/python code/slave_sync.py'],
      ['pretxnchangegroup.a', '/usr/local/bin/slave-sync hook hg'],
      ['pretxnchangegroup.a', "'/x y/slave-sync' hook hg"],
      ['pretxnchangegroup.slave-sync', 'anything'],
      ['precommit', '/usr/bin/node /opt/agent/dist/cli.js hook deny'],
      ['changegroup', 'slave-sync sync'],
      ['changegroup', 'code/venv/bin/honcho -e code/.env run slave-sync sync --wait 60'],
      ['changegroup', '/usr/bin/slave-sync --env-file /etc/slave-sync.env sync'],
      ['changegroup', "'/x y/slave-sync' --env-file='/x y/.env' sync"],
      ['changegroup', "slave-sync '--env-file=/x y/.env' 'sync' >/dev/null"],
      ['changegroup', '/usr/bin/node /usr/lib/node_modules/slave-sync/dist/cli.js sync'],
      ['changegroup', "'/usr/bin/node' '/opt/any where/slave-sync-0.1.0/dist/cli.js' sync"],
      ['changegroup', 'code/slave-sync/dist/cli.js --env-file code/.env sync'],
      ['changegroup', `/opt/borgslave-sync/releases/${'0a'.repeat(20)}/dist/cli.js sync`],
      ['changegroup', 'code/dist/cli.js sync'],
      ['changegroup', '/opt/state/code/dist/cli.js --env-file code/.env sync; true'],
    ] as const)
      expect([value, isOurHook(key, value)]).to.deep.equal([value, true]);
    for (const [key, value] of [
      ['pretxnchangegroup.log', 'logger -f /var/log/slave-sync.log'],
      ['pretxnchangegroup', '/opt/slave-sync-tools/notify'],
      ['precommit', '.hg/denied.sh'],
      ['incoming', 'python:hgext.notify.hook'],
      ['changegroup', '/usr/bin/slave-sync status'],
      ['changegroup', 'slave-sync --env-file sync status'],
      ['changegroup', 'slave-sync sync-report'],
      ['changegroup', 'notify --about slave-sync --then sync'],
      ['changegroup', 'node /opt/mirror/dist/cli.js sync'],
      ['changegroup', 'node /opt/slave-sync-tools/dist/cli.js sync'],
      ['changegroup', 'node /opt/slave-sync/tools/cli.js sync'],
      ['changegroup', 'node /home/me/code/mirror/dist/cli.js sync'],
      ['changegroup', 'node /opt/qr-code/dist/cli.js sync'],
      ['changegroup', 'node /opt/slave-sync/dist/cli.js health; sync'],
    ] as const)
      expect([value, isOurHook(key, value)]).to.deep.equal([value, false]);
  });

  it('does not wait long for the lock of someone else', async () => {
    const rig = await makeRepository('hg');
    await rig.commit({ 'a.json': 'a' });
    await symlink('another-host:1', join(rig.clone, '.hg/store/lock'));
    const failure = await failureOf(pullIn(rig));
    expect(failure).to.be.instanceOf(RepositoryStuck);
    expect(failure.message).to.contain('another-host');
  });
});
