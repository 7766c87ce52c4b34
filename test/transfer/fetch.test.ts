import { expect } from 'chai';
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { TransferRig, failure, md5, never, noise } from './rig.js';

describe('transfer: fetch', () => {
  let rig: TransferRig;
  beforeEach(async () => {
    rig = await TransferRig.start();
  });
  afterEach(() => rig.close());

  it('fetches many files with one login and one rsync', async () => {
    const before = await rig.counts();
    const transfer = rig.transfer();
    const contents = Array.from({ length: 40 }, (_, i) => `meta ${i}`);
    const sources = await Promise.all(contents.map((text, i) => rig.publish(`batch/${i}/x.meta.json`, text)));
    const files = await Promise.all(
      contents.map((text, i) =>
        transfer.fetch({ source: sources[i]!, md5: md5(text), cacheName: `meta/${md5(text)}.json` }, never),
      ),
    );
    for (const [i, file] of files.entries()) {
      expect(await readFile(file.path, 'utf8')).to.equal(contents[i]);
      expect(file).to.deep.include({ md5: md5(contents[i]!), bytes: contents[i]!.length, transferred: true });
    }
    const after = await rig.counts();
    expect(after).to.deep.equal({ logins: before.logins + 1, sessions: before.sessions + 1 });
  });

  it('shares one login between rsync calls of a run, and none between runs', async () => {
    const before = await rig.counts();
    for (let i = 0; i < 2; i++) {
      const transfer = rig.transfer();
      for (let j = 0; j < 3; j++) {
        const source = await rig.publish(`${i}${j}.db`, `dump ${i}${j}`);
        await transfer.fetch({ source, md5: md5(`dump ${i}${j}`), cacheName: 'ws1.roads.db' }, never);
      }
      await transfer.close();
    }
    const after = await rig.counts();
    expect(after).to.deep.equal({ logins: before.logins + 2, sessions: before.sessions + 6 });
  });

  it('keeps meta files to itself and lets the group read the others', async () => {
    const source = await rig.publish('x', 'text');
    const transfer = rig.transfer();
    const fetch = (cacheName: string) => transfer.fetch({ source, md5: md5('text'), cacheName }, never);
    const [meta, dump] = await Promise.all([fetch('meta/x.json'), fetch('ws1.x.db')]);
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(meta.path)).to.equal('600');
    expect(await mode(join(rig.cache, 'meta'))).to.equal('700');
    expect(await mode(dump.path)).to.equal('640');
  });

  it('fails only the request whose MD5 differs, naming both sums', async () => {
    const transfer = rig.transfer();
    const good = await rig.publish('good.db', 'good');
    const bad = await rig.publish('bad.db', 'published again');
    const [first, second] = await Promise.allSettled([
      transfer.fetch({ source: good, md5: md5('good'), cacheName: 'ws1.good.db' }, never),
      transfer.fetch({ source: bad, md5: md5('published'), cacheName: 'ws1.bad.db' }, never),
    ]);
    expect(first.status).to.equal('fulfilled');
    const error = await failure(
      second.status === 'rejected' ? Promise.reject(second.reason as Error) : Promise.resolve(),
    );
    expect([error.reason, error.retry]).to.deep.equal(['checksum-mismatch', 'remote']);
    expect(error.message).to.include(md5('published')).and.include(md5('published again'));
    expect(error.hint).to.include('published again');
    expect(await readdir(rig.cache)).to.not.include('ws1.bad.db');
  });

  it('takes the file as it is where its MD5 need not match', async () => {
    const source = await rig.publish('x.json', 'moved on');
    const file = await rig.transfer().fetch({ source, cacheName: 'meta/old.json' }, never);
    expect(file.md5).to.equal(md5('moved on'));
  });

  it('fails only the request whose file is missing, naming file and host', async () => {
    const transfer = rig.transfer();
    const good = await rig.publish('good.db', 'good');
    await mkdir(join(rig.files, 'folder.db'));
    await run('mkfifo', [join(rig.files, 'pipe.db')]);
    const fetch = (name: string) =>
      transfer.fetch(
        { source: `${rig.host}:${rig.files}/${name}`, md5: md5('x'), cacheName: `ws1.${name}` },
        never,
      );
    const names = ['absent.db', 'no/such/folder.db', 'folder.db', 'pipe.db', 'good.db/below.db'];
    const all = names.map((name) => failure(fetch(name)));
    await transfer.fetch({ source: good, md5: md5('good'), cacheName: 'ws1.good.db' }, never);
    // Slashes are for the folders of the cache only.
    const [absent, refused, folder, pipe, below] = await Promise.all(all);
    expect(refused!.reason).to.equal('invalid-task-file');
    expect(below!.reason).to.equal('invalid-task-file');
    for (const error of [absent!, folder!, pipe!])
      expect([error.reason, error.retry]).to.deep.equal(['missing-at-source', 'remote']);
    expect(absent!.message).to.equal(`${rig.files}/absent.db on ${rig.host} is missing`);
    expect(folder!.message).to.include('is no regular file');
    expect(pipe!.message).to.include('is no regular file');
  });

  it('does not fetch what is in the cache, unless it is damaged', async () => {
    const data = noise(3_000_000);
    const source = await rig.publish('roads.db', data);
    const request = { source, md5: md5(data), cacheName: 'ws1.roads.db', size: 'large' as const };
    await rig.transfer().fetch(request, never);
    const before = await rig.counts();
    const again = await rig.transfer().fetch(request, never);
    expect(again.transferred).to.equal(false);
    expect(await rig.counts()).to.deep.equal(before);

    data[1_000_000]! ^= 1;
    await writeFile(join(rig.cache, 'ws1.roads.db'), data);
    const mended = await rig.transfer().fetch(request, never);
    expect(mended.transferred).to.equal(true);
    expect(md5(await readFile(mended.path))).to.equal(request.md5);
  });

  it('transfers the difference to the version in the cache', async () => {
    const data = noise(4_000_000);
    const request = async () => ({
      source: await rig.publish('roads.db', data),
      md5: md5(data),
      cacheName: 'ws1.roads.db',
    });
    await rig.transfer().fetch(await request(), never);
    data[2_000_000]! ^= 1;
    const { ssh, received } = await rig.sshWrapper();
    const file = await rig.transfer({ ssh }).fetch(await request(), never);
    expect(md5(await readFile(file.path))).to.equal(md5(data));
    expect(await received()).to.be.below(200_000);
  });

  it('goes on where a broken transfer stopped, in a later run too', async () => {
    const data = noise(4_000_000);
    const request = {
      source: await rig.publish('roads.db', data),
      md5: md5(data),
      cacheName: 'ws1.roads.db',
    };
    const { ssh: breaking } = await rig.sshWrapper({ after: 3_000_000, then: 'end' });
    const error = await failure(rig.transfer({ ssh: breaking }).fetch(request, never));
    expect([error.reason, error.retry]).to.deep.equal(['connection', 'transient']);
    await rig.close();

    const { ssh, received } = await rig.sshWrapper();
    const file = await rig.transfer({ ssh }).fetch(request, never);
    expect(md5(await readFile(file.path))).to.equal(md5(data));
    expect(await received()).to.be.below(1_500_000);
  });

  it('goes on from what an rsync that was killed left behind', async () => {
    const data = noise(4_000_000);
    const request = {
      source: await rig.publish('roads.db', data),
      md5: md5(data),
      cacheName: 'ws1.roads.db',
    };
    const { ssh: killing } = await rig.sshWrapper({ after: 3_000_000, then: 'kill' });
    await failure(rig.transfer({ ssh: killing }).fetch(request, never));
    await rig.close();
    const { ssh, received } = await rig.sshWrapper();
    const file = await rig.transfer({ ssh }).fetch(request, never);
    expect(md5(await readFile(file.path))).to.equal(md5(data));
    expect(await received()).to.be.below(1_500_000);
    await rig.close();
    expect(await readdir(join(rig.cache, '.partial'))).to.deep.equal([]);
  });

  it('hands out a file while others of the same call are still on their way', async () => {
    const small = noise(50_000);
    const large = noise(2_000_000);
    const { ssh: slow } = await rig.sshWrapper({ after: 1_000_000, pauseMs: 1000 });
    const transfer = rig.transfer({ ssh: slow });
    const done: string[] = [];
    const fetch = async (name: string, data: Buffer) => {
      const source = await rig.publish(name, data);
      await transfer.fetch({ source, md5: md5(data), cacheName: `ws1.${name}` }, never);
      done.push(name);
    };
    const all = Promise.all([fetch('a.db', small), fetch('b.db', large)]);
    while (done.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(done).to.deep.equal(['a.db']);
    // rsync is alive: the large file is on its way.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(done).to.deep.equal(['a.db']);
    await all;
    expect(done).to.deep.equal(['a.db', 'b.db']);
  });

  it('does not let small files wait for large ones', async () => {
    const { ssh } = await rig.sshWrapper({ after: 500_000, pauseMs: 1500 });
    const transfer = rig.transfer({ ssh, transfersPerHost: 1 });
    const done: string[] = [];
    const fetch = async (name: string, data: Buffer, size: 'small' | 'large') => {
      const source = await rig.publish(name, data);
      await transfer.fetch({ source, md5: md5(data), cacheName: `ws1.${name}`, size }, never);
      done.push(name);
    };
    const large = fetch('large.db', noise(1_000_000), 'large');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await fetch('small.sld', noise(1000), 'small');
    expect(done).to.deep.equal(['small.sld']);
    await large;
  });

  it('fetches the most urgent large files first', async () => {
    const before = await rig.counts();
    const transfer = rig.transfer({ transfersPerHost: 1 });
    const sources = await Promise.all(
      Array.from({ length: 40 }, (_, i) => rig.publish(`${String(i).padStart(2, '0')}.db`, `dump ${i}`)),
    );
    const done: number[] = [];
    await Promise.all(
      sources.map(async (source, priority) => {
        const request = { source, md5: md5(`dump ${priority}`), cacheName: `ws1.${priority}.db` };
        await transfer.fetch({ ...request, size: 'large', priority }, never);
        done.push(priority);
      }),
    );
    expect(Math.min(...done.slice(0, 20))).to.equal(20);
    // Half of them, then the rest: fewer are not worth a call of their own.
    expect((await rig.counts()).sessions).to.equal(before.sessions + 2);
  });

  it('works with the ssh options that operators have in their settings', async () => {
    const options =
      '-o KeepAlive=yes -o ServerAliveInterval=30 -o ConnectTimeout=3600 -o ConnectionAttempts=5';
    const source = await rig.publish('x.db', 'x');
    const transfer = rig.transfer({ ssh: `${rig.ssh} ${options}` });
    const file = await transfer.fetch({ source, md5: md5('x'), cacheName: 'ws1.x.db' }, never);
    expect(file.bytes).to.equal(1);
  });

  it('takes names that are odd for a shell, an option, or a list of files', async () => {
    const transfer = rig.transfer();
    const mark = join(rig.files, 'executed');
    const names = [
      `;touch ${mark.replaceAll('/', '_')};.db`,
      '$(touch executed).db',
      '`touch executed`.db',
      `it's "quoted".db`,
      '-e sh.db',
      '--rsh=sh.db',
      '#comment.db',
      ';comment.db',
      'two  blanks .db',
      'été 地図.db',
      '*.db',
      '[a].db',
      ':x::y.db',
      '~root.db',
    ];
    const files = await Promise.all(
      names.map(async (name) => {
        const source = await rig.publish(`odd/${name}`, name);
        return transfer.fetch({ source, md5: md5(name), cacheName: `ws1.${name}` }, never);
      }),
    );
    for (const [i, file] of files.entries()) expect(await readFile(file.path, 'utf8')).to.equal(names[i]);
    expect(await readdir(rig.files)).to.deep.equal(['odd']);
  });

  it('follows links on the master and makes none here', async () => {
    await rig.publish('real/roads.db', 'roads');
    await symlink('roads.db', join(rig.files, 'real', 'link.db'));
    await symlink('real', join(rig.files, 'latest'));
    const transfer = rig.transfer();
    const fetch = (path: string, cacheName: string) =>
      transfer.fetch({ source: `${rig.host}:${rig.files}/${path}`, md5: md5('roads'), cacheName }, never);
    const files = await Promise.all([
      fetch('real/link.db', 'ws1.a.db'),
      fetch('latest/roads.db', 'ws1.b.db'),
    ]);
    for (const file of files) {
      expect(await readFile(file.path, 'utf8')).to.equal('roads');
      expect((await run('find', [rig.cache, '-type', 'l'])).stdout.toString()).to.equal('');
    }
  });

  it('replaces a link that stands in the cache instead of a file, and writes nothing through it', async () => {
    const victim = join(rig.files, 'victim');
    await writeFile(victim, 'precious');
    await mkdir(rig.cache, { recursive: true });
    await symlink(victim, join(rig.cache, 'ws1.roads.db'));
    const source = await rig.publish('roads.db', 'roads');
    await rig.transfer().fetch({ source, md5: md5('roads'), cacheName: 'ws1.roads.db' }, never);
    expect(await readFile(victim, 'utf8')).to.equal('precious');
    expect(await rig.cachedText('ws1.roads.db')).to.equal('roads');
  });

  it('fetches a file once for all who ask for it, and keeps versions apart that are in use', async () => {
    const before = await rig.counts();
    const transfer = rig.transfer();
    const old = await rig.publish('old.sld', 'old');
    const fresh = await rig.publish('fresh.sld', 'fresh');
    const fetch = (source: string, text: string) =>
      transfer.fetch({ source, md5: md5(text), cacheName: 'ws1.roads.sld' }, never);
    const files = await Promise.all([fetch(old, 'old'), fetch(old, 'old'), fetch(fresh, 'fresh')]);
    expect((await rig.counts()).sessions).to.equal(before.sessions + 1);
    expect(files[0].path).to.equal(files[1].path);
    const texts = await Promise.all(files.map((file) => readFile(file.path, 'utf8')));
    expect(texts).to.deep.equal(['old', 'old', 'fresh']);
  });

  it('reports progress', async () => {
    const transfer = rig.transfer();
    const fetch = async (name: string) => {
      const data = noise(500_000);
      const source = await rig.publish(name, data);
      await transfer.fetch({ source, md5: md5(data), cacheName: name, size: 'large' }, never);
    };
    await Promise.all([fetch('a.db'), fetch('b.db'), fetch('c.db')]);
    await transfer.close();
    const last = rig.progress.at(-1)!;
    expect(last).to.deep.include({
      host: rig.host,
      files: 3,
      totalFiles: 3,
      bytes: 1_500_000,
      totalBytes: 1_500_000,
    });
    expect(last).to.deep.include({ secondsLeft: 0, done: true });
    expect(last.bytesPerSecond).to.be.above(0);
  });
});
