import { expect } from 'chai';
import type { StateRepository } from '../../src/hooks/repository.js';
import type { Job } from '../../src/jobs/job.js';
import type { Kind, Spec } from '../../src/jobs/kind.js';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import { AgentError } from '../../src/lib/errors.js';
import { sha256 } from '../../src/lib/hash.js';
import { silentLogger } from '../../src/lib/log.js';
import { APPROVED, GUARDED, reconcile, type Reconciled, type StoppedRun } from '../../src/reconcile.js';
import { StateStore } from '../../src/state/store.js';
import { loadTasks } from '../../src/tasks/load-tasks.js';
import { planSteps, type Plan } from '../../src/tasks/plan.js';
import { runPlan, type JobOutcome } from '../../src/tasks/run.js';
import { systemClock } from '../../src/lib/clock.js';
import { tempDir } from '../support/temp.js';
import { settings, targets } from './fixtures.js';

interface RunSettings {
  readonly digest?: string;
  readonly take?: (job: Readonly<Record<string, unknown>>) => boolean;
  readonly channels?: readonly string[];
  readonly prune?: boolean;
  readonly maxRemovals?: number;
  /** As the daemon runs. */
  readonly onlyDue?: boolean;
}

/**
 * Everything but the adapters: real record, kinds, survey, planner and runner. The world is a set of names that publishing
 * tasks add to and removing ones take from; a test can make tasks fail.
 */
class World {
  readonly store: StateStore;
  readonly things = new Set<string>();
  readonly acted: string[] = [];
  fails: (type: string, object: string) => boolean = () => false;
  /** Of the waits before something is tried again. */
  random: () => number = () => 0.5;
  /** Minutes since the beginning. */
  minutes = 0;
  readonly clock = { ...systemClock, now: () => new Date(Date.UTC(2026, 0, 1) + this.minutes * 60_000) };

  constructor(folder: string) {
    this.store = new StateStore(folder);
  }

  async run(files: Readonly<Record<string, unknown>>, options: RunSettings = {}): Promise<Reconciled> {
    const contents = new Map(
      Object.entries(files).map(([path, content]) => [path, Buffer.from(JSON.stringify(content))]),
    );
    const filter = { variable: 'FEATURE_FILTER', accepts: options.take ?? (() => true) };
    const abort = new AbortController();
    this.acted.length = 0;
    return reconcile({
      repository: repositoryOf(contents),
      store: this.store,
      settings: {
        channels: options.channels ?? ['dpaw'],
        include: undefined,
        filters: { feature: filter, wms: filter, layergroup: filter },
        skip: { auth: false, rules: false, db: false, gs: false },
        digest: options.digest ?? 'settings',
      },
      transfer: () => Promise.reject(new Error('nothing is fetched here')),
      workshop: async () => {
        const definitions = await loadTasks();
        const recorded = this.store.tasks();
        return {
          plan: (jobs: readonly Job[]) =>
            planSteps({
              jobs,
              definitions,
              targets: targets.filter((target) => target.id !== 'http://two'),
              recorded: (job) => (recorded.get(job.path) ?? []).filter((task) => task.action === job.action),
              settings,
            }),
          run: (plan: Plan, _view: unknown, onJob: (job: Job, outcome: JobOutcome) => void) =>
            this.#perform(plan, onJob),
        };
      },
      accept: () => undefined,
      maxRemovals: options.maxRemovals ?? 1_000,
      run: 1,
      clock: this.clock,
      random: () => this.random(),
      redact: (text) => text,
      log: silentLogger,
      signal: abort.signal,
      onlyDue: options.onlyDue ?? false,
      prune: options.prune ?? false,
    });
  }

  async #perform(plan: Plan, onJob: (job: Job, outcome: JobOutcome) => void): Promise<void> {
    for (const job of plan.settled) onJob(job, { type: 'done', warnings: [] });
    await runPlan(plan, {
      perform: (step) => {
        const { type } = step.definition;
        if (this.fails(type, step.object))
          return Promise.reject(
            new AgentError('conflict', `${type} ${step.object} cannot be done`, { retry: 'remote' }),
          );
        this.acted.push(`${type} ${step.object}`);
        if (/^update_(live_store|wms_layer|live_feature_type)$/.test(type)) this.things.add(step.object);
        if (/^remove_(live_store|wms_layer|live_feature_type)$/.test(type)) this.things.delete(step.object);
        return Promise.resolve(undefined);
      },
      record: {
        started: (keys) => this.store.taskStarted(keys, new Date()),
        finished: (keys, result) => this.store.taskFinished(keys, new Date(), result),
      },
      onStep: () => undefined,
      onJob,
      limits: { transfer: 9, restore: 9, database: 9, geoserver: 9, cdn: 9 },
      clock: systemClock,
      random: () => 0.5,
      log: silentLogger,
      redact: (text) => text,
      signal: new AbortController().signal,
    });
  }

  states(): Record<string, string> {
    return Object.fromEntries([...this.store.files().values()].map((file) => [file.path, file.state]));
  }
}

function repositoryOf(contents: ReadonlyMap<string, Buffer>): StateRepository {
  const entries = [...contents].map(([path, bytes]) => ({
    path,
    blobId: sha256(bytes),
    type: 'file' as const,
  }));
  return {
    ...{ vcs: 'hg', root: '/', branch: 'default' },
    target: () => Promise.resolve('0'.repeat(40)),
    manifest: () => Promise.resolve({ entries, undecodable: [] }),
    read: (_revision, wanted) =>
      Promise.resolve(
        new Map(
          [...contents].filter(([path]) =>
            wanted.some((file) => (typeof file === 'string' ? file : file.path) === path),
          ),
        ),
      ),
    rootId: () => Promise.resolve('root'),
    fetch: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

const STORE = 'dpaw/live_stores/ws1.livedb.json';
const store = (name = 'livedb', workspace = 'ws1') => ({ workspace, name, host: 'h', database: 'd' });
const LAYER = 'dpaw/wms_layers/wstore.a.json';
const layer = (workspace: string, name = 'a') => ({ workspace, name, store: 'wstore' });

const LIVE = 'dpaw/live_layers/ws1.a.json';
const alternating = (...values: readonly number[]): (() => number) => {
  let calls = 0;
  return () => values[calls++ % values.length] ?? 0;
};

describe('the life of a task file, over many runs', () => {
  let world: World;
  beforeEach(async () => {
    world = new World(await tempDir('lifecycle'));
  });
  afterEach(() => world.store.close());

  const narrow: RunSettings = { digest: 'narrow', take: () => false };

  it('narrowed, it is left as unmanaged; pruned at any later time, it goes; widened, it is published again', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: store() }, narrow);
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:livedb'], { [STORE]: 'unmanaged' }]);
    await world.run({ [STORE]: store() }, narrow);
    await world.run({ [STORE]: store() }, { ...narrow, prune: true });
    expect([[...world.things], world.states()]).to.deep.equal([[], { [STORE]: 'excluded' }]);
    await world.run({ [STORE]: store() });
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:livedb'], { [STORE]: 'done' }]);
  });

  it('approved removals that did not get to their end go on at the next run, and no others do', async () => {
    const one = { maxRemovals: 1 };
    const names = ['a', 'b', 'c', 'd'];
    const stores = Object.fromEntries(
      names.map((name) => [`dpaw/live_stores/ws1.${name}.json`, store(name)]),
    );
    const kept = { 'dpaw/live_stores/ws1.e.json': store('e'), 'dpaw/live_stores/ws1.f.json': store('f') };
    const isStopped = async (files: Readonly<Record<string, unknown>>): Promise<boolean> => {
      const thrown: unknown = await world.run(files, one).then(
        () => undefined,
        (error: unknown) => error,
      );
      return thrown instanceof AgentError && thrown.reason === 'guarded';
    };
    const approve = (): void => {
      const { removals } = JSON.parse(world.store.setting(GUARDED) ?? '') as StoppedRun;
      world.store.setSetting(APPROVED, JSON.stringify(removals));
    };
    await world.run({ ...stores, ...kept });
    expect(await isStopped(kept)).to.equal(true);
    approve();
    world.fails = (_, object) => object === 'ws1:a' || object === 'ws1:b';
    await world.run(kept, one);
    expect([...world.things]).to.have.members(['ws1:a', 'ws1:b', 'ws1:e', 'ws1:f']);
    // One more than what was approved.
    expect(await isStopped({ 'dpaw/live_stores/ws1.e.json': store('e') })).to.equal(true);
    world.fails = () => false;
    await world.run(kept, one);
    expect([...world.things]).to.have.members(['ws1:e', 'ws1:f']);
    await world.run({ ...stores, ...kept }, one);
    expect(await isStopped(kept)).to.equal(true);
  });

  it('withdrawn, a removal that fails is tried again by the daemon after longer and longer waits, by others at once', async () => {
    const daemon: RunSettings = { onlyDue: true };
    let tried = 0;
    await world.run({ README: 1, [STORE]: store() });
    world.fails = () => {
      tried += 1;
      return true;
    };
    const statesOf = async (options: RunSettings): Promise<string[]> =>
      (await world.run({ README: 1 }, options)).results.map(({ path, state, known }) =>
        [path, state, ...(known ? ['known'] : [])].join(' '),
      );
    const known = [`${STORE} failed known`];
    expect([await statesOf(daemon), tried]).to.deep.equal([[`${STORE} failed`], 1]);
    expect([await statesOf(daemon), tried]).to.deep.equal([known, 1]);
    world.minutes = 1;
    expect([await statesOf(daemon), tried]).to.deep.equal([[`${STORE} failed`], 2]);
    world.minutes = 1.75;
    expect([await statesOf(daemon), tried]).to.deep.equal([known, 2]);
    expect([await statesOf({}), tried]).to.deep.equal([[`${STORE} failed`], 3]);
    // Published again with the same content, it is new.
    world.fails = () => false;
    await world.run({ README: 1, [STORE]: store() }, daemon);
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:livedb'], { [STORE]: 'done' }]);
    await world.run({ README: 1 }, daemon);
    expect([[...world.things], world.states()]).to.deep.equal([[], {}]);
  });

  it('withdrawn together with a change of the settings, a removal that fails waits as well', async () => {
    let tried = 0;
    await world.run({ README: 1, [STORE]: store() }, { digest: 'one' });
    world.fails = () => {
      tried += 1;
      return true;
    };
    for (let run = 0; run < 3; run++) await world.run({ README: 1 }, { digest: 'two', onlyDue: true });
    expect(tried).to.equal(1);
  });

  for (const first of ['the removal', 'the publication'])
    it(`changed into another kind, it is never only removed: ${first} is due first`, async () => {
      const live = { [LIVE]: { workspace: 'ws1', name: 'a', datastore: 'livedb', table: 't' } };
      const daemon: RunSettings = { onlyDue: true };
      await world.run({ [STORE]: store(), [LAYER]: layer('ws1') });
      world.fails = (type) => type === 'remove_wms_layer';
      world.random = first === 'the removal' ? alternating(0, 1) : alternating(1, 0);
      await world.run({ [STORE]: store(), ...live }, daemon);
      expect([world.things.has('ws1:a'), world.states()]).to.deep.equal([
        true,
        { [STORE]: 'done', [LAYER]: 'failed', [LIVE]: 'failed' },
      ]);
      world.fails = () => false;
      world.minutes = 0.5;
      const { results } = await world.run({ [STORE]: store(), ...live }, daemon);
      expect(results.map(({ state }) => state)).to.deep.equal(['done', 'done']);
      expect([world.things.has('ws1:a'), world.states()]).to.deep.equal([
        true,
        { [STORE]: 'done', [LIVE]: 'done' },
      ]);
    });

  it('withdrawn with what it published before, one of whose removals fails, it has failed until both are gone', async () => {
    await world.run({ [STORE]: store(), [LAYER]: layer('ws1') });
    for (const kept of ['ws1:a', 'ws2:a']) {
      world.fails = (_, object) => object === 'ws1:a';
      await world.run({ [STORE]: store(), [LAYER]: layer('ws2') });
      world.fails = (_, object) => object === kept;
      await world.run({ [STORE]: store() });
      expect([...world.things, world.states()[LAYER]]).to.have.members(['ws1:livedb', kept, 'failed']);
      world.fails = () => false;
      await world.run({ [STORE]: store() });
      expect([[...world.things], world.states()[LAYER]]).to.deep.equal([['ws1:livedb'], undefined]);
      await world.run({ [STORE]: store(), [LAYER]: layer('ws1') });
    }
  });

  it('pruned in the same run that narrows, it goes; widened, it is published again', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: store() }, { ...narrow, prune: true });
    expect([...world.things]).to.deep.equal([]);
    await world.run({ [STORE]: store() });
    expect([...world.things]).to.deep.equal(['ws1:livedb']);
  });

  it('its channel dropped, it is left as unmanaged; listened to again, it is managed again', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: store() }, { channels: ['kmi'] });
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:livedb'], { [STORE]: 'unmanaged' }]);
    await world.run({ [STORE]: store() });
    expect(world.states()).to.deep.equal({ [STORE]: 'done' });
  });

  it('its channel dropped and pruned, it goes; listened to again, it is published again', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: store() }, { channels: ['kmi'] });
    await world.run({ [STORE]: store() }, { channels: ['kmi'], prune: true });
    expect([...world.things]).to.deep.equal([]);
    await world.run({ [STORE]: store() });
    expect([...world.things]).to.deep.equal(['ws1:livedb']);
  });

  it('deleted while its channel is not listened to, it goes', async () => {
    await world.run({ [STORE]: store(), README: 1 });
    await world.run({ [STORE]: store(), README: 1 }, { channels: ['kmi'] });
    await world.run({ README: 1 }, { channels: ['kmi'] });
    expect([...world.things]).to.deep.equal([]);
  });

  describe('of a kind that goes by time', () => {
    let kind: Kind;
    before(async () => {
      kind = (await loadKinds()).find(({ name }) => name === 'live_store')!;
      // Every ten minutes.
      Object.assign(kind, { dueAt: (_spec: Spec, lastDone: Date) => new Date(lastDone.getTime() + 600_000) });
    });
    after(() => Reflect.deleteProperty(kind, 'dueAt'));

    it('it is done again when its time has come, although nothing has changed, and only then', async () => {
      await world.run({ [STORE]: store() });
      const first = [...world.acted];
      expect(first).to.include('update_live_store ws1:livedb');
      world.minutes = 9;
      await world.run({ [STORE]: store() });
      expect(world.acted).to.deep.equal([]);
      for (const minutes of [10, 25]) {
        world.minutes = minutes;
        await world.run({ [STORE]: store() });
        expect(world.acted).to.deep.equal(first);
        await world.run({ [STORE]: store() });
        expect(world.acted).to.deep.equal([]);
      }
    });

    it('interrupted, it goes on with what is left for that time', async () => {
      await world.run({ [STORE]: store() });
      world.minutes = 10;
      world.fails = (type) => type === 'update_live_store';
      await world.run({ [STORE]: store() });
      const before = [...world.acted];
      expect(before).to.not.deep.equal([]);
      world.fails = () => false;
      world.minutes = 11;
      await world.run({ [STORE]: store() });
      expect(world.acted).to.deep.equal(['update_live_store ws1:livedb']);
      expect(world.states()).to.deep.equal({ [STORE]: 'done' });
      world.minutes = 20;
      await world.run({ [STORE]: store() });
      expect(world.acted).to.deep.equal([]);
    });
  });

  it('published, removed by its task file, and published again with the same bytes', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: { ...store(), action: 'remove' } });
    expect([...world.things]).to.deep.equal([]);
    await world.run({ [STORE]: store() });
    expect([...world.things]).to.deep.equal(['ws1:livedb']);
  });

  it('it becomes another thing and is turned back to the same bytes', async () => {
    await world.run({ [LAYER]: layer('ws1') });
    await world.run({ [LAYER]: layer('ws2') });
    expect([...world.things]).to.deep.equal(['ws2:a']);
    await world.run({ [LAYER]: layer('ws1') });
    expect([...world.things]).to.deep.equal(['ws1:a']);
  });

  it('what it was before it was renamed is removed, also when that only works at a later run', async () => {
    await world.run({ [LAYER]: layer('ws1', 'a') });
    world.fails = (type) => type === 'remove_wms_layer';
    const failed = await world.run({ [LAYER]: layer('ws1', 'b') });
    expect(failed.results.some((result) => result.state === 'failed')).to.equal(true);
    expect(world.states()).to.deep.equal({ [LAYER]: 'failed' });
    world.fails = () => false;
    await world.run({ [LAYER]: layer('ws1', 'b') });
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:b'], { [LAYER]: 'done' }]);
  });

  it('what a failed run published and both files withdraw is removed', async () => {
    world.fails = (_type, object) => object === 'ws1:bad';
    const bad = 'dpaw/live_stores/ws1.bad.json';
    await world.run({ [LAYER]: layer('ws1') });
    await world.run({ [LAYER]: layer('ws1'), [STORE]: store(), [bad]: store('bad') });
    expect([...world.things]).to.deep.equal(['ws1:a', 'ws1:livedb']);
    world.fails = () => false;
    await world.run({ [LAYER]: layer('ws1') });
    expect([[...world.things], world.states()]).to.deep.equal([['ws1:a'], { [LAYER]: 'done' }]);
  });

  it('a run with nothing new acts on nothing, nor does one after other settings that change nothing of it', async () => {
    await world.run({ [STORE]: store() });
    await world.run({ [STORE]: store() });
    expect(world.acted).to.deep.equal([]);
    const again = await world.run({ [STORE]: store() }, { digest: 'others' });
    expect(again.results.map((result) => result.state)).to.deep.equal(['done']);
    expect(world.acted).to.deep.equal([]);
  });

  it('a group is done again when a member changes, fails, and works at last, however deep it lies', async () => {
    const member = (type: string, name: string) => ({ type, name, workspace: 'ws1' });
    const group = (name: string, layers: unknown[]) => ({ workspace: 'ws1', name, title: name, layers });
    const files = (title: string) => ({
      [LAYER]: { ...layer('ws1'), title },
      'dpaw/layergroups/ws1.inner.json': group('inner', [member('wms_layer', 'a')]),
      'dpaw/layergroups/ws1.outer.json': group('outer', [member('group', 'inner')]),
    });
    const groups = (): string[] => world.acted.filter((act) => act.startsWith('update_layergroup'));
    const both = ['update_layergroup ws1:inner', 'update_layergroup ws1:outer'];
    await world.run(files('one'));
    expect(groups()).to.deep.equal(both);
    await world.run(files('one'));
    expect(groups()).to.deep.equal([]);
    world.fails = (type) => type === 'update_wms_layer';
    await world.run(files('two'));
    world.fails = () => false;
    await world.run(files('two'));
    expect(groups()).to.deep.equal(both);
    await world.run(files('two'));
    expect(groups()).to.deep.equal([]);
  });

  it('a failed job is done again from where it stopped, the others are left alone', async () => {
    world.fails = (type) => type === 'update_wms_layer';
    await world.run({ [STORE]: store(), [LAYER]: layer('ws1') });
    world.fails = () => false;
    await world.run({ [STORE]: store(), [LAYER]: layer('ws1') });
    expect(world.acted)
      .to.include('update_wms_layer ws1:a')
      .and.to.not.include('update_live_store ws1:livedb');
  });
});
