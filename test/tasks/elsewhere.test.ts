import { expect } from 'chai';
import { makeElsewhere } from '../../src/tasks/elsewhere.js';

const META = { meta: { file: 'borg@master:/x.json', md5: '0'.repeat(32) } };

describe('what channels publish that are not listened to', () => {
  const reads: (readonly string[])[] = [];
  /** Asks about a state repository with these files. */
  const ask = (files: Readonly<Record<string, unknown>>) =>
    makeElsewhere({
      channels: ['dpaw'],
      entries: Object.keys(files).map((path) => ({ path, blobId: '1', type: 'file' })),
      read: (paths) => {
        reads.push(paths);
        const bytes = (path: string): Uint8Array => Buffer.from(JSON.stringify(files[path]));
        return Promise.resolve(new Map(paths.map((path) => [path, bytes(path)])));
      },
    });
  beforeEach(() => void (reads.length = 0));

  it('is told by what a file says, else by its name, whatever dots that has', async () => {
    const elsewhere = ask({
      'kmi/layers/any.json': { workspace: 'ws', name: 'inside' },
      'kmi/layers/ws.by.name.json': META,
      'dpaw/layers/ws.listened.json': META,
    });
    expect(await elsewhere('layer:ws:inside', 'feature')).to.equal(true);
    expect(await elsewhere('layer:ws:by.name', 'feature')).to.equal(true);
    expect(await elsewhere('layer:ws.by:name', 'feature')).to.equal(true);
    for (const other of ['layer:ws:name', 'layer:ws:listened', 'layer:any:'])
      expect(await elsewhere(other, 'feature'), other).to.equal(false);
    expect(reads, 'read once').to.deep.equal([['kmi/layers/any.json', 'kmi/layers/ws.by.name.json']]);
  });

  it('is nothing where only removals and metadata are, or another kind', async () => {
    const elsewhere = ask({
      'kmi/layers/ws.gone.json': { ...META, action: 'remove' },
      'kmi/layers/ws.meta.meta.json': META,
      'kmi/live_layers/ws.live.json': META,
    });
    for (const name of ['gone', 'meta', 'live'])
      expect(await elsewhere(`layer:ws:${name}`, 'feature'), name).to.equal(false);
    expect(await elsewhere('layer:ws:live', 'live_layer')).to.equal(true);
    expect(await elsewhere('layer:ws:live', 'layergroup')).to.equal(false);
    expect(reads.length, 'nothing is read of a kind without files').to.equal(2);
  });

  it('may be anything of a kind whose file names do not tell, where the metadata are on the master', async () => {
    const named = { 'kmi/wms_layers/store.remote.json': { workspace: 'ws', name: 'w' } };
    expect(await ask(named)('layer:ws:other', 'wms_layer')).to.equal(false);
    expect(await ask(named)('layer:ws:w', 'wms_layer')).to.equal(true);
    const unnamed = { ...named, 'kmi/wms_layers/store.second.json': META };
    expect(await ask(unnamed)('layer:ws:other', 'wms_layer')).to.equal(true);
  });

  it('is told by its name of a file that cannot be understood', async () => {
    const elsewhere = ask({ 'kmi/layers/ws.broken.json': 'no object' });
    expect(await elsewhere('layer:ws:broken', 'feature')).to.equal(true);
    expect(await elsewhere('layer:ws:other', 'feature')).to.equal(false);
  });
});
