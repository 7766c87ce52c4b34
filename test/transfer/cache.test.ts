import { expect } from 'chai';
import { mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TransferRig, md5, never, noise } from './rig.js';

describe('transfer: the cache’s size', () => {
  let rig: TransferRig;
  beforeEach(async () => {
    rig = await TransferRig.start();
  });
  afterEach(() => rig.close());

  const request = async (name: string, data: Buffer) => ({
    source: await rig.publish(name, data),
    md5: md5(data),
    cacheName: `ws1.${name}`,
  });
  const files = async () => (await readdir(rig.cache)).filter((name) => name.startsWith('ws1.')).sort();

  it('stays within the limit: the least recently used go first, those in use never', async () => {
    const data = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, noise(1000)]));
    for (const name of ['a', 'b', 'c']) {
      const transfer = rig.transfer();
      await transfer.fetch(await request(`${name}.db`, data[name]!), never);
      await transfer.close();
      // File systems keep the time of last use to a few milliseconds at best.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const transfer = rig.transfer({ cacheMaxBytes: 3500 });
    const used = await transfer.fetch(await request('a.db', data['a']!), never);
    expect(used.transferred).to.equal(false);
    await transfer.fetch(await request('d.db', data['d']!), never);
    await transfer.close();
    expect(await files()).to.deep.equal(['ws1.a.db', 'ws1.c.db', 'ws1.d.db']);
  });

  it('may exceed the limit while files are in use, and makes room as they are released', async () => {
    const transfer = rig.transfer({ cacheMaxBytes: 2500 });
    const held = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (name) =>
        transfer.fetch(await request(`${name}.db`, noise(1000)), never),
      ),
    );
    for (const file of held) expect((await readFile(file.path)).length).to.equal(1000);
    transfer.release(held[0]!);
    transfer.release(held[1]!);
    await transfer.fetch(await request('e.db', noise(1000)), never);
    await rig.close();
    expect(await files()).to.have.length(2);
  });

  it('counts and deletes only what it put there itself', async () => {
    await mkdir(join(rig.cache, 'meta'), { recursive: true });
    for (const name of ['thesis.doc', 'meta/notes.txt', '.bashrc'])
      await writeFile(join(rig.cache, name), noise(5000));
    await writeFile(join(rig.cache, 'ws1.old.sld'), noise(5000));
    await utimes(join(rig.cache, 'ws1.old.sld'), 1000, 1000);
    const transfer = rig.transfer({ cacheMaxBytes: 2000 });
    await transfer.fetch(await request('a.db', noise(1000)), never);
    await transfer.close();
    expect((await readdir(rig.cache)).sort()).to.deep.equal([
      '.bashrc',
      '.partial',
      'meta',
      'thesis.doc',
      'ws1.a.db',
    ]);
    expect(await readdir(join(rig.cache, 'meta'))).to.deep.equal(['notes.txt']);
  });

  it('deletes old partial files too', async () => {
    const left = join(rig.cache, '.partial', 'somehost', 'opt');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'gone.db'), noise(5000));
    await utimes(join(left, 'gone.db'), 1000, 1000);
    const transfer = rig.transfer({ cacheMaxBytes: 2000 });
    await transfer.fetch(await request('a.db', noise(1000)), never);
    await transfer.close();
    expect(await readdir(left).catch(() => [])).to.deep.equal([]);
    expect(await files()).to.deep.equal(['ws1.a.db']);
  });
});
