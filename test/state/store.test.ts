import { expect } from 'chai';
import { StateStore } from '../../src/state/store.js';
import { tempDir } from '../support/temp.js';

describe('StateStore: tasks', () => {
  const at = new Date('2026-01-01T00:00:00Z');
  const key = (object: string) => ({ path: 'p', action: 'publish', type: 't', object, target: 'x' });
  const started = (object: string) => ({ ...key(object), fingerprint: 'f' });
  let store: StateStore;
  /** Another process, which reads what a crash would leave. */
  let other: StateStore;
  const seen = (): string[] => other.tasksOf('p').map(({ object, state }) => `${object} ${state}`);

  beforeEach(async () => {
    const folder = await tempDir('state');
    store = new StateStore(folder);
    other = new StateStore(folder);
  });
  afterEach(() => {
    store.close();
    other.close();
  });

  it('what happens in one turn is written together, and another process sees it when it resolves', async () => {
    const writes = [store.taskStarted([started('a')], at), store.taskStarted([started('b')], at)];
    expect(seen()).to.deep.equal([]);
    await writes[0];
    expect(seen()).to.deep.equal(['a started', 'b started']);
    await Promise.all(writes);
  });

  it('is seen at once by whoever reads here', async () => {
    const begun = store.taskStarted([started('a')], at);
    const ended = store.taskFinished([key('a')], at, { output: 1 });
    expect(store.tasksOf('p')).to.have.length(1);
    expect(store.tasksOf('p')[0]).to.include({ state: 'done', output: 1 });
    await Promise.all([begun, ended]);
  });

  it('what it did for another object before is forgotten when it is done', async () => {
    await store.taskStarted([started('a')], at);
    await store.taskFinished([key('a')], at, {});
    await store.taskStarted([started('b')], at);
    expect(seen()).to.have.members(['a done', 'b started']);
    await store.taskFinished([key('b')], at, {
      failure: { reason: 'connection', retry: 'transient', message: 'x' },
    });
    expect(seen()).to.have.members(['a done', 'b failed']);
    await store.taskFinished([key('b')], at, {});
    expect(seen()).to.deep.equal(['b done']);
  });

  it('two removals of one file do not forget each other', async () => {
    const removal = (object: string) => ({ ...key(object), action: 'remove', fingerprint: 'f' });
    await store.taskStarted([removal('a'), removal('b')], at);
    await store.taskFinished([removal('a')], at, {});
    await store.taskFinished([removal('b')], at, {});
    expect(seen()).to.have.members(['a done', 'b done']);
  });

  it('is written before closing', async () => {
    const begun = store.taskStarted([started('a')], at);
    store.close();
    expect(seen()).to.deep.equal(['a started']);
    await begun;
    store = new StateStore(store.folder);
  });

  it('rejects when it cannot be written', async () => {
    const begun = store.taskStarted([{ ...started('a'), path: null as unknown as string }], at);
    const message = await begun.then(
      () => 'written',
      (error: unknown) => String(error),
    );
    expect(message).to.match(/NOT NULL/);
  });
});
