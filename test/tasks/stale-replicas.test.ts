import { expect } from 'chai';
import { StateStore } from '../../src/state/store.js';
import { StaleReplicas } from '../../src/tasks/stale-replicas.js';
import { tempDir } from '../support/temp.js';

describe('stale replicas', () => {
  it('are those that had not read the catalog when the run before ended, however it did', async () => {
    const store = new StateStore(await tempDir('replicas'));
    const run = (): StaleReplicas => new StaleReplicas(store, ['one', 'two']);
    const stale = (): string[] => {
      const now = run();
      return ['one', 'two', 'three'].filter((id) => now.isStale(id));
    };
    expect(stale()).to.deep.equal([]);
    await run().note();
    expect(stale()).to.deep.equal(['one', 'two']);
    run().refreshed('one');
    expect(stale()).to.deep.equal(['two']);
    const next = run();
    await next.note();
    for (const id of ['one', 'two']) next.refreshed(id);
    expect(stale()).to.deep.equal([]);
    store.close();
  });

  it('are nothing to a slave that has none', async () => {
    const store = new StateStore(await tempDir('replicas'));
    await new StaleReplicas(store, []).note();
    expect(store.setting('stale-replicas')).to.equal(undefined);
    store.close();
  });
});
