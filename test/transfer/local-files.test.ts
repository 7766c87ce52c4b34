import { expect } from 'chai';
import { access, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { tempDir } from '../support/temp.js';
import { TransferRig, failure, md5, never } from './rig.js';

describe('transfer: files of this machine', () => {
  let rig: TransferRig;
  let root: string;
  beforeEach(async () => {
    rig = await TransferRig.start();
    root = await tempDir('data');
    await mkdir(join(root, 'inside'));
    await writeFile(join(root, 'inside', 'roads.db'), 'roads');
  });
  afterEach(() => rig.close());

  const request = (source: string, text = 'roads') => ({ source, md5: md5(text), cacheName: 'ws1.roads.db' });

  it('are refused unless the operator allows them', async () => {
    for (const path of [join(root, 'inside/roads.db'), '/no/such/file']) {
      const error = await failure(rig.transfer().fetch(request(path), never));
      expect([error.reason, error.retry]).to.deep.equal(['invalid-task-file', 'final']);
      expect(error.hint).to.include('LOCAL_DATA_ROOT').and.include('SHARE_LAYER_DATA');
    }
  });

  it('are read in place inside LOCAL_DATA_ROOT, itself a link or not', async () => {
    const link = join(await tempDir('link'), 'data');
    await symlink(root, link);
    for (const localDataRoot of [root, link]) {
      const file = await rig.transfer({ localDataRoot }).fetch(request(join(link, 'inside/roads.db')), never);
      expect(file).to.deep.equal({
        path: join(root, 'inside/roads.db'),
        md5: md5('roads'),
        bytes: 5,
        transferred: false,
      });
    }
    expect(await access(join(rig.cache, 'ws1.roads.db')).catch(() => 'no copy')).to.equal('no copy');
  });

  it('are refused outside LOCAL_DATA_ROOT, whatever links lead there', async () => {
    const localDataRoot = join(root, 'inside');
    const outside = await tempDir('outside');
    await writeFile(join(outside, 'roads.db'), 'roads');
    await symlink(outside, join(localDataRoot, 'out'));
    await symlink(join(outside, 'roads.db'), join(localDataRoot, 'link.db'));
    await mkdir(join(root, 'inside-too'));
    await writeFile(join(root, 'inside-too', 'roads.db'), 'roads');
    const transfer = rig.transfer({ localDataRoot });
    for (const path of [
      join(outside, 'roads.db'),
      join(localDataRoot, 'out/roads.db'),
      join(localDataRoot, 'link.db'),
      join(root, 'inside-too/roads.db'),
    ]) {
      const error = await failure(transfer.fetch(request(path), never));
      expect([error.reason, error.retry], path).to.deep.equal(['invalid-task-file', 'final']);
    }
  });

  it('stand for the master’s with SHARE_LAYER_DATA: no transfer at all', async () => {
    const transfer = rig.transfer({ shareLayerData: true });
    const file = await transfer.fetch(request(`nobody@master.invalid:${root}/inside/roads.db`), never);
    expect(file).to.deep.include({ path: join(root, 'inside/roads.db'), transferred: false });
  });

  it('are verified like fetched ones', async () => {
    const transfer = rig.transfer({ localDataRoot: root });
    const other = await failure(transfer.fetch(request(join(root, 'inside/roads.db'), 'other'), never));
    expect([other.reason, other.retry]).to.deep.equal(['checksum-mismatch', 'remote']);
    const absent = await failure(transfer.fetch(request(join(root, 'absent.db')), never));
    expect([absent.reason, absent.retry]).to.deep.equal(['missing-at-source', 'remote']);
    await run('mkfifo', [join(root, 'pipe.db')]);
    const pipe = await failure(transfer.fetch(request(join(root, 'pipe.db')), never));
    expect(pipe.reason).to.equal('missing-at-source');
  });
});
