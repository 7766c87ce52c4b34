import { expect } from 'chai';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '../support/temp.js';
import { TransferRig, failure, md5, never } from './rig.js';

describe('transfer: a peer instead of the master', () => {
  let rig: TransferRig;
  let peer: { host: string; path: string };
  beforeEach(async () => {
    rig = await TransferRig.start();
    peer = { host: rig.host, path: await tempDir('peer') };
  });
  afterEach(() => rig.close());

  const putOnPeer = async (name: string, text: string): Promise<void> => {
    await mkdir(join(peer.path, 'meta'), { recursive: true });
    await writeFile(join(peer.path, name), text);
  };
  const source = 'nobody@master.invalid:/opt/roads.db';

  it('tries the names in their order', async () => {
    await putOnPeer('roads.tar', 'from the original');
    const transfer = rig.transfer({ peer });
    const fetch = (text: string) =>
      transfer.fetch(
        { source, md5: md5(text), cacheName: 'ws1.roads.db', peerNames: ['ws1.roads.db', 'roads.tar'] },
        never,
      );
    const original = await fetch('from the original');
    expect(await readFile(original.path, 'utf8')).to.equal('from the original');
    transfer.release(original);
    await putOnPeer('ws1.roads.db', 'newer');
    const newer = await fetch('newer');
    expect(newer.path).to.equal(join(rig.cache, 'ws1.roads.db'));
    expect(await readFile(newer.path, 'utf8')).to.equal('newer');
  });

  it('says that the peer does not have it yet: to be tried again', async () => {
    const transfer = rig.transfer({ peer });
    const request = {
      source,
      md5: md5('new'),
      cacheName: 'ws1.roads.db',
      peerNames: ['ws1.roads.db', 'roads.tar'],
    };
    const absent = await failure(transfer.fetch(request, never));
    expect([absent.reason, absent.retry]).to.deep.equal(['missing-at-source', 'remote']);
    expect(absent.message).to.include(`the peer ${peer.host} does not have it yet`);
    await putOnPeer('ws1.roads.db', 'old');
    const old = await failure(transfer.fetch(request, never));
    expect([old.reason, old.retry]).to.deep.equal(['checksum-mismatch', 'remote']);
    expect(old.message).to.include('does not have it yet').and.include(md5('old'));
    await putOnPeer('ws1.roads.db', 'new');
    expect((await transfer.fetch(request, never)).md5).to.equal(md5('new'));
  });

  it('takes from the master what the peer lacks, where that is wanted', async () => {
    const master = await rig.publish('x.meta.json', 'meta');
    const transfer = rig.transfer({ peer });
    const request = { source: master, md5: md5('meta'), cacheName: `meta/${md5('meta')}.json` };
    expect((await failure(transfer.fetch(request, never))).reason).to.equal('missing-at-source');
    const file = await transfer.fetch({ ...request, fallbackToSource: true }, never);
    expect(await readFile(file.path, 'utf8')).to.equal('meta');
  });

  it('fetches from another slave’s cache by its layout', async () => {
    const master = await rig.publish('roads.db', 'roads');
    const request = { source: master, md5: md5('roads'), cacheName: 'ws1.roads.db' };
    await rig.transfer({ cachePath: peer.path }).fetch(request, never);
    const file = await rig.transfer({ peer }).fetch({ ...request, source }, never);
    expect(await readFile(file.path, 'utf8')).to.equal('roads');
  });
});
