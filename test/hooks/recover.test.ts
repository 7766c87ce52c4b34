import { spawn } from 'node:child_process';
import {
  chmod,
  copyFile,
  lstat,
  lutimes,
  readdir,
  readFile,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { pull, RepositoryStuck } from '../../src/hooks/pull.js';
import { recover } from '../../src/hooks/recover.js';
import { silentLogger } from '../../src/lib/log.js';
import { command, commitAll, makeRepository, must, type TestRepository } from '../support/repository.js';
import { tempDir } from '../support/temp.js';
import { env, failureOf, isRunning, open, until } from './helpers.js';

async function recoverIn(rig: TestRepository): Promise<string[]> {
  return recover({ vcs: rig.vcs, root: rig.clone }, { env, log: silentLogger });
}

async function pullIn(rig: TestRepository) {
  const repository = await open(rig.clone);
  return pull(repository).finally(async () => repository.close());
}

/** Makes the next pull wait in a hook, kills hg or git there with -9, and ends the hook. */
async function killDuringHook(rig: TestRepository): Promise<void> {
  const pidFile = join(rig.clone, '..', 'hook.pid');
  const hook = `echo $$ >'${pidFile}'; exec sleep 60`;
  if (rig.vcs === 'hg')
    await writeFile(
      join(rig.clone, '.hg/hgrc'),
      `[paths]\ndefault = ${rig.upstream}\n[hooks]\npretxnchangegroup.x = ${hook}\n`,
    );
  else
    await writeFile(join(rig.clone, '.git/hooks/reference-transaction'), `#!/bin/sh\n${hook}\n`, {
      mode: 0o755,
    });
  const args = rig.vcs === 'hg' ? ['pull'] : ['fetch', '-q', 'origin'];
  const vcs = spawn(rig.vcs, args, { cwd: rig.clone, env, stdio: 'ignore' });
  const ended = new Promise((resolve) => vcs.once('exit', resolve));
  await until(async () => (await readFile(pidFile, 'utf8').catch(() => '')).endsWith('\n'));
  vcs.kill('SIGKILL');
  await ended;
  const hookPid = Number(await readFile(pidFile, 'utf8'));
  process.kill(hookPid, 'SIGKILL');
  await until(async () => !(await isRunning(hookPid)));
  if (rig.vcs === 'hg') await writeFile(join(rig.clone, '.hg/hgrc'), `[paths]\ndefault = ${rig.upstream}\n`);
  else await must('rm', [join(rig.clone, '.git/hooks/reference-transaction')], rig.clone);
}

const longAgo = new Date(Date.now() - 3_600_000);

describe('hg recover', () => {
  it('rolls back what a killed hg left, after which a pull works', async () => {
    const rig = await makeRepository('hg');
    const revision = await rig.commit({ 'a.json': 'a' });
    await killDuringHook(rig);
    expect(await failureOf(pullIn(rig))).to.be.instanceOf(RepositoryStuck);
    expect(await recoverIn(rig)).to.deep.equal(['rolled an abandoned transaction back']);
    expect(await recoverIn(rig)).to.deep.equal([]);
    expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
    expect((await command('hg', ['verify', '-q'], rig.clone)).code).to.equal(0);
  });

  it('breaks locks of a container that is gone, and of a process that is no hg', async () => {
    const rig = await makeRepository('hg');
    const revision = await rig.commit({ 'a.json': 'a' });
    const [lock, wlock] = [join(rig.clone, '.hg/store/lock'), join(rig.clone, '.hg/wlock')];
    await symlink('gone/f00:12', lock);
    await lutimes(lock, longAgo, longAgo);
    const namespace = (await must('stat', ['-L', '-c', '%i', '/proc/self/ns/pid'], '/')).trim();
    await symlink(`${hostname()}/${Number(namespace).toString(16)}:${process.pid}`, wlock);
    expect(await recoverIn(rig)).to.deep.equal([
      'broke the lock store/lock of gone/f00:12',
      `broke the lock wlock of ${hostname()}/${Number(namespace).toString(16)}:${process.pid}`,
    ]);
    expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
  });

  it('leaves everything alone while somebody works, here or perhaps elsewhere', async () => {
    const rig = await makeRepository('hg');
    await rig.commit({ 'a.json': 'a' });
    const lock = join(rig.clone, '.hg/store/lock');
    await symlink('other/f00:12', lock);
    await writeFile(join(rig.clone, '.hg/store/journal'), '');
    expect(await recoverIn(rig)).to.deep.equal([]);
    await must('rm', [lock, join(rig.clone, '.hg/store/journal')], rig.clone);

    const hold = join(rig.clone, '..', 'hold');
    await writeFile(hold, '');
    await writeFile(
      join(rig.clone, '.hg/hgrc'),
      `[paths]\ndefault = ${rig.upstream}\n[hooks]\npretxnchangegroup.x = while [ -e '${hold}' ]; do sleep 0.05; done\n`,
    );
    const pulling = rig.pull();
    await until(async () => (await lstat(lock).catch(() => undefined)) !== undefined);
    await until(async () => (await readdir(join(rig.clone, '.hg/store'))).includes('journal'));
    expect(await recoverIn(rig)).to.deep.equal([]);
    await must('rm', [hold], rig.clone);
    expect((await pulling).code).to.equal(0);
  });

  it('finishes an interrupted update', async () => {
    const rig = await makeRepository('hg');
    await rig.commit({ 'a.json': 'a' });
    await must('hg', ['pull', '-u'], rig.clone);
    const node = await must('hg', ['log', '-r', '.', '-T', '{node}'], rig.clone);
    await writeFile(join(rig.clone, '.hg/updatestate'), node);
    await writeFile(join(rig.clone, 'a.json'), 'half');
    expect(await recoverIn(rig)).to.deep.equal(['finished an interrupted update']);
    expect(await readFile(join(rig.clone, 'a.json'), 'utf8')).to.equal('a');
    expect(await recoverIn(rig)).to.deep.equal([]);
  });
});

describe('git recover', () => {
  it('removes the lock of a killed git, but not a fresh one', async () => {
    const rig = await makeRepository('git');
    const revision = await rig.commit({ 'a.json': 'a' });
    await killDuringHook(rig);
    const lock = join(rig.clone, '.git/refs/remotes/origin/main.lock');
    expect(await failureOf(pullIn(rig))).to.be.instanceOf(RepositoryStuck);
    expect(await recoverIn(rig)).to.deep.equal([]);
    await utimes(lock, longAgo, longAgo);
    expect(await recoverIn(rig)).to.deep.equal([`removed the stale lock ${lock}`]);
    expect(await pullIn(rig)).to.deep.equal({ outcome: 'changed', revision });
    expect(await recoverIn(rig)).to.deep.equal([]);
  });

  it('removes nothing while a git works in the repository', async () => {
    const rig = await makeRepository('git');
    await rig.commit({ 'a.json': 'a' });
    await rig.pull();
    const lock = join(rig.clone, '.git/index.lock');
    await writeFile(lock, '');
    await utimes(lock, longAgo, longAgo);
    const git = spawn('git', ['cat-file', '--batch'], {
      cwd: rig.clone,
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const ended = new Promise((resolve) => git.once('exit', resolve));
    await until(async () => (await readFile(`/proc/${git.pid ?? 0}/comm`, 'utf8')) === 'git\n');
    expect(await recoverIn(rig)).to.deep.equal([]);
    git.stdin.end();
    await ended;
    expect(await recoverIn(rig)).to.deep.equal([`removed the stale lock ${lock}`]);
    expect(await commitAll('git', rig.clone)).to.match(/^[0-9a-f]{40}$/);
  });

  for (const [name, isGit] of [
    ['git-upload-pack', true],
    ['gitea', false],
    ['gitlab-runner', false],
  ] as const)
    it(`takes ${name} in the repository for ${isGit ? 'a git' : 'no git'}`, async () => {
      const rig = await makeRepository('git');
      const lock = await makeLock(rig, 'index.lock', 10);
      const end = await startAs(name, rig.clone);
      try {
        expect(await recoverIn(rig)).to.deep.equal(isGit ? [] : [`removed the stale lock ${lock}`]);
      } finally {
        await end();
      }
    });

  it('waits an hour, and no longer, for a git of which it cannot see where it works', async () => {
    const rig = await makeRepository('git');
    const old = await makeLock(rig, 'index.lock', 120);
    const younger = await makeLock(rig, 'HEAD.lock', 10);
    const end = await startAs('git', '/');
    try {
      expect(await unprivilegedly(rig, () => recoverIn(rig))).to.deep.equal([]);
      await must('rm', [younger], rig.clone);
      expect(await unprivilegedly(rig, () => recoverIn(rig))).to.deep.equal([
        `removed the stale lock ${old}`,
      ]);
    } finally {
      await end();
    }
  });
});

async function makeLock(rig: TestRepository, name: string, minutes: number): Promise<string> {
  const lock = join(rig.clone, '.git', name);
  await writeFile(lock, '');
  const at = new Date(Date.now() - minutes * 60_000);
  await utimes(lock, at, at);
  return lock;
}

/** A process of this name that waits in a folder; answers what ends it. */
async function startAs(name: string, cwd: string): Promise<() => Promise<void>> {
  const program = join(await tempDir('program'), name);
  await copyFile('/bin/sh', program);
  // Whoever may not read a program may not see its process's folder either, unless that is root.
  await chmod(program, 0o111);
  const child = spawn(program, ['-c', 'read line'], { cwd, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const comm = async (): Promise<string> => readFile(`/proc/${child.pid ?? 0}/comm`, 'utf8');
  await until(async () => (await comm()).trim() === name);
  return async () => {
    child.stdin.end();
    await ended;
  };
}

/** As nobody, to whom the repository is given, where the tests run as root, who sees everything. */
async function unprivilegedly<T>(rig: TestRepository, work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work();
  const folder = dirname(rig.clone);
  await chmod(folder, 0o755);
  await must('chown', ['-R', 'nobody', folder], folder);
  process.seteuid?.('nobody');
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
