import { expect } from 'chai';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import { loadTasks } from '../../src/tasks/load-tasks.js';

describe('the registries of kinds and tasks', () => {
  it('every kind names only tasks that exist, in an order that meets their needs', async () => {
    const tasks = await loadTasks();
    for (const kind of await loadKinds())
      for (const [action, { tasks: types }] of Object.entries(kind.actions)) {
        const where = `${kind.name} ${action}`;
        expect(new Set(types).size, `${where} names a task twice`).to.equal(types.length);
        types.forEach((type, index) => {
          const definition = tasks.get(type);
          expect(definition, `${where} names ${type}`).to.not.equal(undefined);
          for (const need of definition?.needs ?? [])
            if (types.includes(need))
              expect(types.indexOf(need), `${where}: ${type} needs ${need}`).to.be.lessThan(index);
        });
      }
  });

  it('names and places of kinds are unique, and every task is used', async () => {
    const kinds = await loadKinds();
    expect(new Set(kinds.map((kind) => kind.name)).size).to.equal(kinds.length);
    expect(new Set(kinds.map((kind) => JSON.stringify(kind.place))).size).to.equal(kinds.length);
    const used = new Set(
      kinds.flatMap((kind) => Object.values(kind.actions).flatMap((action) => action.tasks)),
    );
    expect([...(await loadTasks()).keys()].filter((type) => !used.has(type))).to.deep.equal([]);
  });

  it('what can be removed has a removal', async () => {
    for (const kind of await loadKinds())
      if (kind.removable) expect(kind.actions['remove'], kind.name).to.not.equal(undefined);
  });
});
