import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { install } from '../../src/hooks/install.js';
import { findRepository } from '../../src/hooks/repository.js';
import { command, makeRepository, must, type TestRepository } from '../support/repository.js';
import { sshd } from '../support/sshd.js';
import { env, open } from './helpers.js';

interface Sight {
  readonly target?: string;
  readonly rootId?: string;
  readonly files?: Record<string, string>;
  readonly nothing?: string;
  readonly error?: string;
}

/** Installs the probe as the repository's hook. */
async function installProbe(root: string) {
  const file = join(root, '..', 'seen');
  const probe = fileURLToPath(new URL('probe.ts', import.meta.url));
  const words = [process.execPath, '--import', import.meta.resolve('tsx/esm'), probe, file];
  await install({ repository: (await findRepository(root))!, command: words, env });
  return {
    /** What the hook saw since the last call. */
    seen: async (): Promise<Sight[]> => {
      const lines = await readFile(file, 'utf8').catch(() => '');
      await rm(file, { force: true });
      return lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Sight);
    },
    refuse: async (yes: boolean) => (yes ? writeFile(`${file}.refuse`, '') : rm(`${file}.refuse`)),
  };
}

/** What a reader beside the hook sees. */
async function targetOutside(root: string): Promise<string | undefined> {
  const repository = await open(root);
  return repository
    .target()
    .catch(() => undefined)
    .finally(async () => repository.close());
}

for (const vcs of ['hg', 'git'] as const) {
  describe(`inside the ${vcs} hook`, () => {
    it('sees what waits for the verdict, and nobody else does before it is accepted', async () => {
      const rig = await makeRepository(vcs);
      const probe = await installProbe(rig.clone);
      const first = await rig.commit({ 'a.json': 'one' });
      await probe.refuse(true);
      expect((await rig.pull()).code).to.not.equal(0);
      const sight = { target: first, rootId: first, files: { 'a.json': 'one' } };
      expect(await probe.seen()).to.deep.equal([sight]);
      expect(await targetOutside(rig.clone)).to.equal(undefined);
      await probe.refuse(false);
      expect((await rig.pull()).code).to.equal(0);
      expect(await probe.seen()).to.deep.equal([sight]);
      expect(await targetOutside(rig.clone)).to.equal(first);
      const second = await rig.commit({ 'a.json': null, 'b.json': 'two' });
      expect((await rig.pull()).code).to.equal(0);
      expect(await probe.seen()).to.deep.equal([
        { target: second, rootId: first, files: { 'b.json': 'two' } },
      ]);
    });

    it('sees the same over ssh', async () => {
      const rig = await makeRepository(vcs);
      const probe = await installProbe(rig.clone);
      const { host, port, user, sshCommand } = await sshd();
      const revision = await rig.commit({ 'a.json': 'a' });
      const url = (path: string): string => `ssh://${user}@${host}:${port}${path}`;
      const outcome =
        vcs === 'hg'
          ? await command('hg', ['pull', '-e', sshCommand, url(`/${rig.upstream}`)], rig.clone)
          : await command(
              'git',
              ['fetch', url(rig.upstream), '+refs/heads/*:refs/remotes/origin/*'],
              rig.clone,
              {
                GIT_SSH_COMMAND: sshCommand,
              },
            );
      expect([outcome.code, outcome.stderr]).to.have.property('0', 0);
      expect(await probe.seen()).to.deep.equal([
        { target: revision, rootId: revision, files: { 'a.json': 'a' } },
      ]);
    });

    it('sees rewritten history as what it is now', async () => {
      const rig = await makeRepository(vcs);
      const other = await makeRepository(vcs);
      const probe = await installProbe(rig.clone);
      await rig.commit({ 'a.json': 'a', 'old.json': 'x' });
      await rig.pull();
      await probe.seen();
      const revision = await other.commit({ 'a.json': 'new' });
      if (vcs === 'git')
        await must(
          'git',
          ['fetch', '-q', other.upstream, '+refs/heads/main:refs/remotes/origin/main'],
          rig.clone,
        );
      else {
        await must('hg', ['--config', 'extensions.strip=', 'strip', '-q', '--no-backup', 'all()'], rig.clone);
        await must('hg', ['pull', '-q', '-f', other.upstream], rig.clone);
      }
      expect(await probe.seen()).to.deep.equal([
        { target: revision, rootId: revision, files: { 'a.json': 'new' } },
      ]);
    });
  });
}

describe('inside the pre-receive hook', () => {
  it('reads objects that are in quarantine, which nobody else can', async () => {
    const rig = await makeRepository('git');
    const bare = join(rig.clone, '..', 'bare');
    await must('git', ['init', '-q', '--bare', '-b', 'main', bare], rig.clone);
    const probe = await installProbe(bare);
    const revision = await rig.commit({ 'a.json': 'a' });
    await must('git', ['branch', 'other'], rig.upstream);
    await must('git', ['push', '-q', bare, 'other'], rig.upstream);
    expect(await probe.seen()).to.deep.equal([{ nothing: 'pre-receive' }]);
    const next = await rig.commit({ 'b.json': 'b' });
    await probe.refuse(true);
    const push = ['push', '-q', bare, 'main'];
    expect((await command('git', push, rig.upstream)).code).to.not.equal(0);
    const sight = { target: next, rootId: revision, files: { 'a.json': 'a', 'b.json': 'b' } };
    expect(await probe.seen()).to.deep.equal([sight]);
    expect((await command('git', ['cat-file', '-e', next], bare)).code).to.not.equal(0);
    await probe.refuse(false);
    await must('git', push, rig.upstream);
    expect(await probe.seen()).to.deep.equal([sight]);
    expect(await targetOutside(bare)).to.equal(next);
  });
});

describe('inside the hg hook: the tree of the branch, whatever the changesets', () => {
  const at = async (rig: TestRepository, revision: string): Promise<unknown> =>
    must('hg', ['update', '-q', '-C', revision], rig.upstream);

  /** Merges `other` into what is checked out and answers the merge's id; `then` edits the result first. */
  const merge = async (
    rig: TestRepository,
    other: string,
    files: Record<string, string | null>,
  ): Promise<string> => {
    await must('hg', ['merge', '-q', '-t', ':local', other], rig.upstream);
    return rig.commit(files, 'merge');
  };

  it('a merge that drops a change and a file of the side that was followed', async () => {
    const rig = await makeRepository('hg');
    const base = await rig.commit({ 'A.json': '0', 'B.json': '0' });
    const followed = await rig.commit({ 'A.json': '1', 'X.json': 'x' });
    const probe = await installProbe(rig.clone);
    await rig.pull();
    expect((await probe.seen())[0]?.target).to.equal(followed);
    await at(rig, base);
    await rig.commit({ 'B.json': '2' });
    const merged = await merge(rig, followed, { 'A.json': '0', 'X.json': null });
    await rig.pull();
    const [sight] = await probe.seen();
    expect(sight?.target).to.equal(merged);
    expect(sight?.files).to.deep.equal({ 'A.json': '0', 'B.json': '2' });
  });

  it('a later head of another branch, of which nothing is taken', async () => {
    const rig = await makeRepository('hg');
    const base = await rig.commit({ 'a.json': '0', 'b.json': '0' });
    const probe = await installProbe(rig.clone);
    await rig.pull();
    await probe.seen();
    const followed = await rig.commit({ 'a.json': '1' });
    await at(rig, base);
    await must('hg', ['branch', '-q', 'uat'], rig.upstream);
    await rig.commit({ 'u.json': 'u', 'b.json': null });
    await rig.pull();
    const [sight] = await probe.seen();
    expect(sight?.target).to.equal(followed);
    expect(sight?.files).to.deep.equal({ 'a.json': '1', 'b.json': '0' });
  });

  it('a second head, which is refused; then the merge alone, with the other side as first parent', async () => {
    const rig = await makeRepository('hg');
    const base = await rig.commit({ 'a.json': '0' });
    const left = await rig.commit({ 'b.json': 'b' });
    const probe = await installProbe(rig.clone);
    await rig.pull();
    await probe.seen();
    await at(rig, base);
    const right = await rig.commit({ 'h.json': 'h' });
    expect((await rig.pull()).code).to.not.equal(0);
    const [refused] = await probe.seen();
    expect(refused?.error).to.contain(left.slice(0, 12)).and.to.contain(right.slice(0, 12));
    const merged = await merge(rig, left, {});
    await rig.pull();
    const [sight] = await probe.seen();
    expect(sight?.target).to.equal(merged);
    expect(sight?.files).to.deep.equal({ 'a.json': '0', 'b.json': 'b', 'h.json': 'h' });
  });

  it('a file added and removed in one pull, one changed and changed back, one removed and added again', async () => {
    const rig = await makeRepository('hg');
    await rig.commit({ 'back.json': '0', 'again.json': '0' });
    const probe = await installProbe(rig.clone);
    await rig.pull();
    await probe.seen();
    await rig.commit({ 'brief.json': 'x', 'back.json': '1', 'again.json': null });
    const last = await rig.commit({ 'brief.json': null, 'back.json': '0', 'again.json': '0' });
    await rig.pull();
    const [sight] = await probe.seen();
    expect(sight?.target).to.equal(last);
    expect(sight?.files).to.deep.equal({ 'back.json': '0', 'again.json': '0' });
  });
});
