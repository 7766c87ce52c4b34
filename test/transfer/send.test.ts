import { expect } from 'chai';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tempDir } from '../support/temp.js';
import { TransferRig, failure, never } from './rig.js';

describe('transfer: send', () => {
  let rig: TransferRig;
  let previews: string;
  beforeEach(async () => {
    rig = await TransferRig.start();
    previews = await tempDir('previews');
  });
  afterEach(() => rig.close());

  const draw = async (relative: string): Promise<string> => {
    await mkdir(dirname(join(previews, relative)), { recursive: true });
    await writeFile(join(previews, relative), relative);
    return relative;
  };

  it('sends many files with one rsync, each to the same relative path', async () => {
    const before = await rig.counts();
    const transfer = rig.transfer();
    const names = [
      'dpaw/ws1/roads.png',
      'dpaw/ws1/a b;touch x.png',
      '#dpaw/été.png',
      `kmi/it's "$(id)".png`,
      '-e/-x.png',
    ];
    const remote = `${rig.host}:${rig.files}/with blank`;
    await mkdir(join(rig.files, 'with blank'));
    await Promise.all(
      names.map(async (name) => transfer.send(previews, await draw(`slave/${name}`), remote, never)),
    );
    for (const name of names)
      expect(await readFile(join(rig.files, 'with blank/slave', name), 'utf8')).to.equal(`slave/${name}`);
    expect((await rig.counts()).sessions).to.equal(before.sessions + 1);
  });

  it('sends what comes one by one together, as soon as all that may come is there', async () => {
    const before = await rig.counts();
    const transfer = rig.transfer();
    const remote = `${rig.host}:${rig.files}`;
    transfer.expectSends(4);
    const sends: Promise<void>[] = [];
    for (const name of ['a.png', 'b.png', 'c.png']) {
      sends.push(transfer.send(previews, await draw(name), remote, never));
      await sleep(600);
    }
    expect(await readdir(rig.files)).to.deep.equal([]);
    transfer.expectSends(3); // One of them came to nothing.
    await Promise.all(sends);
    expect(await readdir(rig.files)).to.deep.equal(['a.png', 'b.png', 'c.png']);
    expect((await rig.counts()).sessions).to.equal(before.sessions + 1);
    transfer.expectSends(1);
    await transfer.send(previews, await draw('d.png'), remote, never);
    expect(await readdir(rig.files)).to.include('d.png');
  });

  it('waits no longer than some seconds for what does not come', async function () {
    this.timeout(20_000);
    const transfer = rig.transfer();
    transfer.expectSends(2);
    await transfer.send(previews, await draw('a.png'), `${rig.host}:${rig.files}`, never);
    expect(await readdir(rig.files)).to.deep.equal(['a.png']);
  });

  it('replaces what is there', async () => {
    const transfer = rig.transfer();
    await draw('roads.png');
    await transfer.send(previews, 'roads.png', `${rig.host}:${rig.files}`, never);
    await writeFile(join(previews, 'roads.png'), 'New image');
    await transfer.send(previews, 'roads.png', `${rig.host}:${rig.files}`, never);
    expect(await readFile(join(rig.files, 'roads.png'), 'utf8')).to.equal('New image');
  });

  it('executes nothing that the name of the remote folder holds', async () => {
    await mkdir(join(rig.files, '$(touch executed);touch executed'));
    const remote = `${rig.host}:${rig.files}/$(touch executed);touch executed`;
    await rig.transfer().send(previews, await draw('roads.png'), remote, never);
    expect(await readdir(join(rig.files, '$(touch executed);touch executed'))).to.deep.equal(['roads.png']);
    expect(await readdir(rig.files)).to.have.length(1);
  });

  it('fails the one file that cannot be sent', async () => {
    await mkdir(join(rig.files, 'blocked.png', 'full'), { recursive: true });
    const transfer = rig.transfer();
    const remote = `${rig.host}:${rig.files}`;
    const fine = transfer.send(previews, await draw('fine.png'), remote, never);
    const blocked = failure(transfer.send(previews, await draw('blocked.png'), remote, never));
    const absent = failure(transfer.send(previews, 'absent.png', remote, never));
    await fine;
    expect(await readFile(join(rig.files, 'fine.png'), 'utf8')).to.equal('fine.png');
    for (const error of [await blocked, await absent]) expect(error.retry).to.equal('remote');
    expect((await blocked).message)
      .to.include('blocked.png')
      .and.include(rig.host);
  });

  it('fails when the host does not answer', async () => {
    const error = await failure(
      rig
        .transfer({ ssh: 'ssh -F none -p 1' })
        .send(previews, await draw('x.png'), `${rig.host}:/tmp`, never),
    );
    expect([error.reason, error.retry]).to.deep.equal(['connection', 'transient']);
  });

  it('writes on this machine only inside LOCAL_DATA_ROOT', async () => {
    const outside = await tempDir('outside');
    await symlink(outside, join(rig.files, 'out'));
    const transfer = rig.transfer({ localDataRoot: rig.files });
    await transfer.send(previews, await draw('a/roads.png'), rig.files, never);
    expect(await readFile(join(rig.files, 'a/roads.png'), 'utf8')).to.equal('a/roads.png');
    for (const folder of [outside, join(rig.files, 'out')]) {
      const error = await failure(transfer.send(previews, 'a/roads.png', folder, never));
      expect([error.reason, error.retry]).to.deep.equal(['invalid-task-file', 'final']);
    }
    expect(await readdir(outside)).to.deep.equal([]);
    expect((await failure(rig.transfer().send(previews, 'a/roads.png', rig.files, never))).retry).to.equal(
      'final',
    );
  });

  it('refuses paths that lead elsewhere', async () => {
    for (const [relative, remote] of [
      ['../x.png', `${rig.host}:/tmp`],
      ['/etc/x.png', `${rig.host}:/tmp`],
      ['x.png', `-oProxyCommand=id:/tmp`],
      ['x.png', `${rig.host}::module/`],
    ] as const) {
      const error = await failure(rig.transfer().send(previews, relative, remote, never));
      expect(error.reason).to.equal('invalid-task-file');
    }
  });
});
