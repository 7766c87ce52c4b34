import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../src/lib/clock.js';
import { silentLogger } from '../src/lib/log.js';
import { acquireLock } from '../src/state/lock.js';
import { stablePath, update, type Update, type UpdateOptions } from '../src/update.js';
import { commitAll, must } from './support/repository.js';
import { tempDir } from './support/temp.js';

/** Stands for the program: its build copies it, and notes that it ran. */
const BUILD = `import { appendFileSync, cpSync } from 'node:fs';
appendFileSync(process.argv[2], 'built\\n');
cpSync('cli.js', 'dist/cli.js');
`;
const says = (version: string): string => `process.stdout.write('${version} ' + process.argv[2] + '\\n');\n`;

describe('update', function () {
  this.timeout(60_000);
  let upstream: string;
  let checkout: string;
  let statePath: string;
  let notes: string;
  let now: Date;
  const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };

  /** Commits to the program's branch; null removes. */
  async function release(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [name, content] of Object.entries(files)) await writeFile(join(upstream, name), content);
    return commitAll('git', upstream);
  }

  function attempt(changes: Partial<UpdateOptions> = {}): Promise<Update> {
    return update({
      branch: 'main',
      folder: checkout,
      statePath,
      selfTests: [['--version']],
      build: [['node', 'build.mjs', notes]],
      env: process.env,
      clock,
      log: silentLogger,
      signal: new AbortController().signal,
      ...changes,
    });
  }

  const runs = (): Promise<string> => must('node', [join(checkout, 'dist/cli.js'), 'now'], '/');
  const builds = async (): Promise<number> => (await readFile(notes, 'utf8')).split('\n').length - 1;
  const releaseFolder = (commit: string): string => join(checkout, 'releases', commit);

  beforeEach(async () => {
    const folder = await tempDir('update');
    [upstream, checkout] = [join(folder, 'upstream'), join(folder, 'code')];
    [statePath, notes] = [join(folder, 'status'), join(folder, 'notes')];
    now = new Date();
    await writeFile(notes, '');
    await must('git', ['init', '-q', '-b', 'main', upstream], folder);
    await release({ 'cli.js': says('one'), 'build.mjs': BUILD, '.gitignore': '/dist*\n/releases/\n.env\n' });
    await must('git', ['clone', '-q', upstream, checkout], folder);
    await must('node', ['build.mjs', notes], checkout);
    await writeFile(join(checkout, '.env'), 'CODE_BRANCH=main\n');
    await writeFile(notes, '');
  });

  it('does nothing where the program is no git checkout, or is as new as its branch', async () => {
    expect(await attempt()).to.deep.equal({ outcome: 'current' });
    await must('git', ['commit', '-q', '--allow-empty', '-m', 'local'], checkout);
    expect(await attempt()).to.deep.equal({ outcome: 'current' });
    await rm(join(checkout, '.git'), { recursive: true });
    expect(await attempt()).to.deep.equal({ outcome: 'not-a-checkout' });
    expect(await builds()).to.equal(0);
  });

  it('builds beside, switches a link, and leaves everything else as it is', async () => {
    const before = await must('git', ['rev-parse', 'HEAD'], checkout);
    const head = await release({ 'cli.js': says('two') });
    expect(await attempt()).to.deep.equal({ outcome: 'switched', cli: join(checkout, 'dist/cli.js') });
    expect(await runs()).to.equal('two now');
    expect(await readlink(join(checkout, 'dist'))).to.equal(`releases/${head}/dist`);
    expect(await readFile(join(checkout, '.env'), 'utf8')).to.equal('CODE_BRANCH=main\n');
    expect(await must('git', ['rev-parse', 'HEAD'], checkout)).to.equal(before);
    expect(await must('git', ['status', '--porcelain'], checkout)).to.equal('');
    expect((await readdir(checkout)).filter((name) => name.startsWith('dist'))).to.deep.equal(['dist']);
    expect(await attempt({ folder: releaseFolder(head) })).to.deep.equal({ outcome: 'current' });
  });

  it('is told from a process that another one has updated', async () => {
    const head = await release({ 'cli.js': says('two') });
    await attempt();
    expect(await attempt()).to.include({ outcome: 'switched' });
    expect(await builds()).to.equal(1);
    // Never twice for one program.
    const reexecuted = join(releaseFolder(head), 'dist/cli.js');
    expect(await attempt({ reexecuted })).to.deep.equal({ outcome: 'current' });
  });

  it('keeps the release that runs and the new one, and no others', async () => {
    const heads: string[] = [];
    for (const version of ['two', 'three', 'four']) {
      const folder = heads.length === 0 ? checkout : releaseFolder(heads.at(-1)!);
      heads.push(await release({ 'cli.js': says(version) }));
      expect(await attempt({ folder })).to.include({ outcome: 'switched' });
      expect(await runs()).to.equal(`${version} now`);
    }
    const kept = (await readdir(join(checkout, 'releases'))).filter((name) => /^[0-9a-f]{40}$/.test(name));
    expect(kept).to.have.members(heads.slice(1));
    expect((await must('git', ['worktree', 'list'], checkout)).split('\n')).to.have.length(3);
  });

  it('stays with a version that cannot be built, and tries that commit again after an hour only', async () => {
    const head = await release({ 'build.mjs': `${BUILD}throw new Error('no such package');\n` });
    const failed = await attempt();
    expect(failed.outcome).to.equal('failed');
    expect(JSON.stringify(failed)).to.include('no such package');
    expect(await runs()).to.equal('one now');
    expect(existsSync(releaseFolder(head))).to.be.false;

    expect(JSON.stringify(await attempt()))
      .to.include('no such package')
      .and.to.include('tried again after');
    expect(await builds()).to.equal(1);
    now = new Date(now.getTime() + 61 * 60_000);
    expect(await attempt()).to.include({ outcome: 'failed' });
    expect(await builds()).to.equal(2);

    await release({ 'build.mjs': BUILD, 'cli.js': says('two') });
    expect(await attempt()).to.include({ outcome: 'switched' });
    expect(await runs()).to.equal('two now');
  });

  it('stays with a version that fails its self-test', async () => {
    await release({ 'cli.js': `if (process.argv[2] === 'config') throw new Error('cannot read settings');` });
    const failed = await attempt({ selfTests: [['--version'], ['config']] });
    expect(JSON.stringify(failed)).to.include('cannot read settings');
    expect(await runs()).to.equal('one now');
  });

  it('stays when history was rewritten, the branch is gone, or the upstream is away', async () => {
    await must('git', ['commit', '-q', '--amend', '-m', 'other'], upstream);
    expect(JSON.stringify(await attempt())).to.include('history was rewritten');
    expect(JSON.stringify(await attempt({ branch: 'gone' }))).to.include("couldn't find remote ref");
    await rm(upstream, { recursive: true });
    expect(await attempt()).to.include({ outcome: 'failed' });
    expect(await runs()).to.equal('one now');
    expect(await builds()).to.equal(0);
  });

  it('does not switch under a run, nor while another process builds', async () => {
    await release({ 'cli.js': says('two') });
    const holder = { pid: process.pid, command: 'slave-sync sync', since: now.toISOString() };
    const releases = join(checkout, 'releases');
    for (const [folder, built] of [
      [releases, 0],
      [statePath, 1],
    ] as const) {
      await mkdir(folder, { recursive: true });
      const lock = acquireLock(folder, holder);
      expect(await attempt()).to.deep.equal({ outcome: 'current' });
      lock.release();
      expect([await runs(), await builds()]).to.deep.equal(['one now', built]);
    }
    expect(await attempt()).to.include({ outcome: 'switched' });
    expect([await runs(), await builds()]).to.deep.equal(['two now', 1]);
  });

  it("works in a hook of another repository, and runs none of the checkout's hooks", async () => {
    const hook = join(checkout, '.git/hooks/post-checkout');
    await writeFile(hook, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await release({ 'cli.js': says('two') });
    const env = { ...process.env, GIT_DIR: '.', GIT_INDEX_FILE: '/nowhere', GIT_QUARANTINE_PATH: '/nowhere' };
    Object.assign(process.env, { GIT_DIR: '.', GIT_INDEX_FILE: '/nowhere', GIT_QUARANTINE_PATH: '/nowhere' });
    try {
      expect(await attempt({ env })).to.include({ outcome: 'switched' });
    } finally {
      for (const name of ['GIT_DIR', 'GIT_INDEX_FILE', 'GIT_QUARANTINE_PATH'])
        Reflect.deleteProperty(process.env, name);
    }
    expect(await runs()).to.equal('two now');
  });

  it('gives hook lines a path that stays', async () => {
    const head = await release({ 'cli.js': says('two') });
    await attempt();
    const stable = join(checkout, 'dist/cli.js');
    expect(stablePath(join(releaseFolder(head), 'dist/cli.js'))).to.equal(stable);
    expect(stablePath(stable)).to.equal(stable);
  });
});
