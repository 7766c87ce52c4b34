import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { install } from '../../src/hooks/install.js';
import {
  findRepository,
  MAX_FILE_BYTES,
  openRepository,
  type StateRepository,
} from '../../src/hooks/repository.js';
import { AgentError } from '../../src/lib/errors.js';
import { silentLogger } from '../../src/lib/log.js';
import { command, commitAll, makeRepository, must } from '../support/repository.js';
import { env, failureOf, open } from './helpers.js';
import { tempDir } from '../support/temp.js';

for (const vcs of ['hg', 'git'] as const) {
  describe(`${vcs} repository`, () => {
    let repository: StateRepository | undefined;
    afterEach(async () => {
      await repository?.close();
      repository = undefined;
    });

    it('answers target, manifest and contents of an ordinary pull', async () => {
      const rig = await makeRepository(vcs);
      const binary = Buffer.from([0, 10, 13, 10, 255, 0]);
      await rig.commit({ 'kmi/layers/roads.json': '{}', 'kmi/layers/empty.json': '' });
      const second = await rig.commit({ 'kmi/layers/roads.json': '{"a":1}\r\n', 'kmi/x.bin': binary });
      expect((await rig.pull()).code).to.equal(0);
      repository = await open(rig.clone);
      const target = await repository.target();
      expect(target).to.equal(second);
      const { entries, undecodable } = await repository.manifest(target);
      expect(entries.map((entry) => entry.path).sort()).to.deep.equal([
        'kmi/layers/empty.json',
        'kmi/layers/roads.json',
        'kmi/x.bin',
      ]);
      expect(entries.every((entry) => entry.type === 'file' && /^[0-9a-f]{40}$/.test(entry.blobId))).to.equal(
        true,
      );
      expect(undecodable).to.deep.equal([]);
      const contents = await repository.read(target, entries);
      expect(contents.size).to.equal(3);
      expect(contents.get('kmi/layers/roads.json')?.toString()).to.equal('{"a":1}\r\n');
      expect(contents.get('kmi/layers/empty.json')?.length).to.equal(0);
      expect(contents.get('kmi/x.bin')).to.deep.equal(binary);
    });

    it('reads by path, at any revision, and leaves out what is not there', async () => {
      const rig = await makeRepository(vcs);
      const first = await rig.commit({ 'kmi/layers/a.json': 'one', 'kmi/layers/b.json': 'b' });
      await rig.commit({ 'kmi/layers/a.json': 'two', 'kmi/layers/b.json': null });
      await rig.pull();
      repository = await open(rig.clone);
      const wanted = ['kmi/layers/a.json', 'kmi/layers/b.json', 'kmi/layers', 'nowhere.json'];
      const old = await repository.read(first, wanted);
      expect([...old].map(([path, bytes]) => [path, bytes.toString()])).to.deep.equal([
        ['kmi/layers/a.json', 'one'],
        ['kmi/layers/b.json', 'b'],
      ]);
      const now = await repository.read(await repository.target(), wanted);
      expect([...now].map(([path, bytes]) => [path, bytes.toString()])).to.deep.equal([
        ['kmi/layers/a.json', 'two'],
      ]);
      expect((await repository.read(first, ['nowhere.json'])).size).to.equal(0);
      expect((await repository.read(first, [])).size).to.equal(0);
    });

    it('keeps odd names and byte contents exactly', async () => {
      const rig = await makeRepository(vcs);
      const names = [
        'kmi/layers/with space.json',
        'kmi/layers/tab\there.json',
        'kmi/layers/"quote\'.json',
        'kmi/layers/back\\slash.json',
        'kmi/layers/-dash.json',
        'kmi/layers/glob*[x]?.json',
        'set:x',
        'glob:*.json',
        ':colon',
        'kmi/layers/größe.json',
        'kmi/layers/gro\u0308\u00dfe.json',
        'kmi/layers/日本語.json',
        'kmi/layers/$(touch x);`id`.json',
        ...(vcs === 'git' ? ['kmi/layers/new\nline.json'] : []),
      ];
      await rig.commit(Object.fromEntries(names.map((name) => [name, `content of ${name}`])));
      expect((await rig.pull()).code).to.equal(0);
      repository = await open(rig.clone);
      const target = await repository.target();
      const { entries } = await repository.manifest(target);
      expect(entries.map((entry) => entry.path).sort()).to.deep.equal([...names].sort());
      for (const files of [entries, names]) {
        const contents = await repository.read(target, files);
        for (const name of names) expect(contents.get(name)?.toString()).to.equal(`content of ${name}`);
      }
    });

    it('reports names that are not UTF-8 and reads the rest', async () => {
      const rig = await makeRepository(vcs);
      await writeFile(
        Buffer.concat([Buffer.from(`${rig.upstream}/caf`), Buffer.from([0xe9]), Buffer.from('.json')]),
        'x',
      );
      await rig.commit({ 'kmi/layers/a.json': 'a' });
      await rig.pull();
      repository = await open(rig.clone);
      const { entries, undecodable } = await repository.manifest(await repository.target());
      expect(entries.map((entry) => entry.path)).to.deep.equal(['kmi/layers/a.json']);
      expect(undecodable).to.deep.equal(['caf\\xe9.json']);
    });

    it('tells symbolic links and never follows them', async () => {
      const rig = await makeRepository(vcs);
      await mkdir(join(rig.upstream, 'kmi'));
      await symlink('/etc/passwd', join(rig.upstream, 'kmi', 'link.json'));
      await rig.commit({ 'kmi/file.json': 'x' });
      await rig.pull();
      repository = await open(rig.clone);
      const target = await repository.target();
      const { entries } = await repository.manifest(target);
      expect(Object.fromEntries(entries.map(({ path, type }) => [path, type]))).to.deep.equal({
        'kmi/file.json': 'file',
        'kmi/link.json': 'symlink',
      });
      expect((await repository.read(target, entries)).get('kmi/link.json')?.toString()).to.equal(
        '/etc/passwd',
      );
    });

    it('reads 2000 files at once', async () => {
      const rig = await makeRepository(vcs);
      const files = Object.fromEntries(
        Array.from({ length: 2000 }, (_, i) => [`kmi/layers/l${i}.json`, `${i} ${'x'.repeat(i % 3000)}`]),
      );
      await rig.commit(files);
      await rig.pull();
      repository = await open(rig.clone);
      const target = await repository.target();
      const { entries } = await repository.manifest(target);
      const contents = await repository.read(target, entries);
      expect(contents.size).to.equal(2000);
      const wrong = Object.keys(files).filter((path) => contents.get(path)?.toString() !== files[path]);
      expect(wrong).to.deep.equal([]);
    });

    it('leaves out a file that is too large, and only that', async () => {
      const rig = await makeRepository(vcs);
      await rig.commit({ 'a.json': 'a', 'huge.json': Buffer.alloc(MAX_FILE_BYTES + 1, 'x'), 'z.json': 'z' });
      await rig.pull();
      const warnings: unknown[] = [];
      const log = { ...silentLogger, warn: (_message: string, fields?: object) => warnings.push(fields) };
      repository = await openRepository({ root: rig.clone, env, log });
      const target = await repository.target();
      const contents = await repository.read(target, ['a.json', 'huge.json', 'z.json']);
      expect([...contents.keys()].sort()).to.deep.equal(['a.json', 'z.json']);
      expect(warnings).to.deep.equal([{ path: 'huge.json' }]);
    });

    it('knows a repository by its first commit', async () => {
      const [one, other] = [await makeRepository(vcs), await makeRepository(vcs)];
      const first = await one.commit({ 'a.json': 'a' });
      await one.commit({ 'a.json': 'b' });
      await other.commit({ 'a.json': 'other' });
      await one.pull();
      await other.pull();
      repository = await open(one.clone);
      expect(await repository.rootId(await repository.target())).to.equal(first);
      await repository.close();
      repository = await open(other.clone);
      expect(await repository.rootId(await repository.target())).to.not.equal(first);
    });

    it('names what is wrong with the branch', async () => {
      const rig = await makeRepository(vcs);
      repository = await open(rig.clone);
      const empty = await failureOf(repository.target());
      expect(empty.reason).to.equal('invalid-config');
      await rig.commit({ 'a.json': 'a' });
      await rig.pull();
      await repository.close();
      repository = await open(rig.clone, 'no such "branch');
      const unknown = await failureOf(repository.target());
      expect(unknown.reason).to.equal('invalid-config');
      expect(unknown.message).to.contain('no such "branch');
    });

    it('stops when it is told to', async () => {
      const rig = await makeRepository(vcs);
      await rig.commit({ 'a.json': 'a' });
      await rig.pull();
      const controller = new AbortController();
      repository = await openRepository({
        root: rig.clone,
        env,
        log: silentLogger,
        signal: controller.signal,
      });
      const target = await repository.target();
      controller.abort(new AgentError('cancelled', 'received SIGTERM', { retry: 'transient' }));
      expect((await failureOf(repository.read(target, ['a.json']))).reason).to.equal('cancelled');
    });
  });
}

describe('hg branches', () => {
  it('refuses two open heads and names both, follows neither a closed head nor another branch', async () => {
    const rig = await makeRepository('hg');
    const first = await rig.commit({ 'a.json': 'a' });
    const left = await rig.commit({ 'l.json': 'l' });
    await must('hg', ['update', '-q', first], rig.upstream);
    const right = await rig.commit({ 'r.json': 'r' });
    await must('hg', ['branch', '-q', 'uat'], rig.upstream);
    const uat = await rig.commit({ 'u.json': 'u' });
    await rig.pull();
    const repository = await open(rig.clone);
    try {
      const failure = await failureOf(repository.target());
      expect(failure.reason).to.equal('conflict');
      expect(failure.retry).to.equal('remote');
      expect(failure.message).to.contain(left.slice(0, 12)).and.to.contain(right.slice(0, 12));
      await must('hg', ['update', '-q', left], rig.upstream);
      await must('hg', ['commit', '-q', '--close-branch', '-m', 'close'], rig.upstream);
      await rig.pull();
      expect(await repository.target()).to.equal(right);
      await must('hg', ['update', '-q', right], rig.upstream);
      await must('hg', ['commit', '-q', '--close-branch', '-m', 'close'], rig.upstream);
      await rig.pull();
      expect((await failureOf(repository.target())).reason).to.equal('missing-at-source');
    } finally {
      await repository.close();
    }
    const other = await open(rig.clone, 'uat');
    expect(await other.target()).to.equal(uat);
    await other.close();
  });
});

describe('git branches', () => {
  it("follows the remote's branch, in a mirror the branch itself, elsewhere what is pushed", async () => {
    const rig = await makeRepository('git');
    const commit = await rig.commit({ 'a.json': 'a' });
    const folder = await tempDir('git');
    await must('git', ['clone', '-q', rig.upstream, 'normal'], folder);
    await must('git', ['clone', '-q', '--mirror', rig.upstream, 'mirror'], folder);
    await must('git', ['init', '-q', '--bare', '-b', 'main', 'bare'], folder);
    await must('git', ['push', '-q', join(folder, 'bare'), 'main'], rig.upstream);
    await must('git', ['init', '-q', '-b', 'main', 'fetched'], folder);
    await must('git', ['remote', 'add', 'upstream', rig.upstream], join(folder, 'fetched'));
    await must('git', ['fetch', '-q', 'upstream'], join(folder, 'fetched'));
    for (const name of ['normal', 'mirror', 'bare', 'fetched']) {
      const repository = await open(join(folder, name));
      expect([name, await repository.target(), repository.branch]).to.deep.equal([name, commit, 'main']);
      expect((await repository.read(commit, ['a.json'])).get('a.json')?.toString()).to.equal('a');
    }
  });

  it('skips submodules, and does not call a shallow clone by its boundary', async () => {
    const rig = await makeRepository('git');
    await rig.commit({ 'a.json': 'a' });
    await must('git', ['update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`], rig.upstream);
    await must('git', ['commit', '-q', '-m', 'submodule'], rig.upstream);
    await must(
      'git',
      ['clone', '-q', '--depth', '1', `file://${rig.upstream}`, 'shallow'],
      await tempDirOf(rig.clone),
    );
    const repository = await open(join(await tempDirOf(rig.clone), 'shallow'));
    const target = await repository.target();
    const { entries } = await repository.manifest(target);
    expect(entries.map(({ path, type }) => `${path} ${type}`)).to.deep.equal([
      'a.json file',
      'sub submodule',
    ]);
    expect([...(await repository.read(target, entries)).keys()]).to.deep.equal(['a.json']);
    expect(await repository.rootId(target)).to.equal(undefined);
  });
});

async function tempDirOf(clone: string): Promise<string> {
  return Promise.resolve(join(clone, '..'));
}

describe('a repository of another user', () => {
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  it('is refused by git, with the remedy', async () => {
    const rig = await makeRepository('git');
    await must('chown', ['-R', '65534', rig.clone], '/');
    const failure = await failureOf(open(rig.clone));
    expect(failure.reason).to.equal('invalid-config');
    expect(failure.hint).to.contain(`safe.directory ${rig.clone}`);
  });

  it('can be read with Mercurial, but its hooks are not trusted', async () => {
    const rig = await makeRepository('hg');
    const revision = await rig.commit({ 'a.json': 'a' });
    await rig.pull();
    await must('chown', ['-R', '65534', rig.clone], '/');
    const { warnings } = await install({
      repository: { vcs: 'hg', root: rig.clone },
      command: ['/usr/bin/slave-sync'],
      env,
    });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.contain('trusted');
    const repository = await open(rig.clone);
    expect(await repository.target()).to.equal(revision);
    await repository.close();
  });
});

describe('findRepository', () => {
  it('finds the nearest repository above, through links and below .git, and nothing elsewhere', async () => {
    const hg = await makeRepository('hg');
    const git = await makeRepository('git');
    const folder = await tempDir('find');
    await mkdir(join(hg.clone, 'code/src'), { recursive: true });
    await symlink(join(hg.clone, 'code/src'), join(folder, 'link'));
    expect(await findRepository(join(folder, 'link'))).to.deep.equal({ vcs: 'hg', root: hg.clone });
    expect(await findRepository(join(git.clone, '.git/refs'))).to.deep.equal({ vcs: 'git', root: git.clone });
    expect(await findRepository(folder)).to.equal(undefined);
    expect(await findRepository(join(folder, 'missing'))).to.equal(undefined);
    const failure = await failureOf(open(folder));
    expect(failure.message).to.contain(folder);
    await must('git', ['init', '-q', join(hg.clone, 'code')], folder);
    expect((await findRepository(join(hg.clone, 'code/src')))?.vcs).to.equal('git');
    expect((await command('true', [], folder)).code).to.equal(0);
    expect(await commitAll('git', join(hg.clone, 'code'))).to.match(/^[0-9a-f]{40}$/);
  });
});
