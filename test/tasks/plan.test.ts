import { expect } from 'chai';
import fc from 'fast-check';
import type { Job } from '../../src/jobs/job.js';
import type { TaskRecord } from '../../src/state/records.js';
import { comesAfter, planSteps, type Plan, type Step } from '../../src/tasks/plan.js';
import type { TaskDefinition } from '../../src/tasks/task.js';
import { definition, definitions, job, settings, targets } from './fixtures.js';

function plan(
  jobs: readonly Job[],
  known: ReadonlyMap<string, TaskDefinition>,
  recorded: (of: Job) => readonly TaskRecord[] = () => [],
): Plan {
  return planSteps({ jobs, definitions: known, targets, recorded, settings });
}

/** What the record holds after every step of a plan was done. */
function doneAll(of: Plan): (of: Job) => TaskRecord[] {
  return (wanted) =>
    of.steps
      .filter((step) => step.jobs.some((other) => other.path === wanted.path))
      .map((step) => ({
        path: wanted.path,
        action: wanted.action,
        type: step.definition.type,
        object: step.object,
        target: step.target.id,
        fingerprint: [...step.fingerprints].find(([other]) => other.path === wanted.path)?.[1] ?? '',
        state: 'done',
        output: undefined,
        failure: undefined,
        startedAt: new Date(0),
        finishedAt: new Date(0),
      }));
}

const label = (step: Step): string => `${step.definition.type} ${step.object} @ ${step.target.id}`;
const find = (of: Plan, text: string): Step => {
  const step = of.steps.find((candidate) => label(candidate) === text);
  if (step === undefined) throw new Error(`no step ${text} in:\n${of.steps.map(label).join('\n')}`);
  return step;
};

const fetch = definition('fetch', { ephemeral: true, needs: [] });
const restore = definition('restore', {
  target: 'database',
  settles: (of) => [`table ${String(of.spec['name'])}`],
});
const workspace = definition('workspace', {
  target: 'geoserver',
  needs: [],
  object: (of) => String(of.spec['workspace']),
});
const layer = definition('layer', {
  target: 'geoserver',
  settles: (of) => [`layer ${String(of.spec['name'])}`],
});
const group = definition('group', {
  target: 'geoserver',
  settles: (of) => [`layer ${String(of.spec['name'])}`],
  waitsFor: (of) => (of.spec['members'] as string[]).map((member) => `layer ${member}`),
});
const purge = definition('purge', { target: 'cdn' });
const all = definitions(fetch, restore, workspace, layer, group, purge);
const FEATURE = ['fetch', 'restore', 'workspace', 'layer', 'purge'];

describe('planSteps', () => {
  it('puts a job on every server, each going its own way, and what all share before them', () => {
    const result = plan([job('roads', FEATURE)], all);
    expect(result.steps.map(label)).to.have.members([
      'fetch roads @ local',
      'restore roads @ db',
      'workspace ws @ http://one',
      'workspace ws @ http://two',
      'layer roads @ http://one',
      'layer roads @ http://two',
      'purge roads @ cdn',
    ]);
    const needs = [...find(result, 'layer roads @ http://one').needs].map(label);
    expect(needs).to.have.members(['fetch roads @ local', 'restore roads @ db', 'workspace ws @ http://one']);
    expect([...find(result, 'purge roads @ cdn').needs].map(label)).to.include('layer roads @ http://two');
  });

  it('makes one step of what several jobs share', () => {
    const result = plan([job('roads', FEATURE), job('rivers', FEATURE)], all);
    expect(find(result, 'workspace ws @ http://one').jobs.map((of) => of.path)).to.deep.equal([
      'roads',
      'rivers',
    ]);
    expect(result.steps.filter((step) => step.definition.type === 'workspace')).to.have.length(2);
    expect(
      comesAfter(find(result, 'layer roads @ http://one'), find(result, 'layer rivers @ http://one')),
    ).to.equal(false);
  });

  it('leaves out what the record says is done, and knows when nothing is left', () => {
    const roads = job('roads', FEATURE);
    const recorded = doneAll(plan([roads], all));
    const again = plan([roads], all, recorded);
    expect(again.steps).to.have.length(0);
    expect(again.settled).to.deep.equal([roads]);
  });

  it('does only the part of a server that is new', () => {
    const roads = job('roads', FEATURE);
    const recorded = doneAll(plan([roads], all));
    const withoutTwo = (of: Job): TaskRecord[] => recorded(of).filter((task) => task.target !== 'http://two');
    expect(plan([roads], all, withoutTwo).steps.map(label)).to.deep.equal([
      'fetch roads @ local',
      'workspace ws @ http://two',
      'layer roads @ http://two',
      'purge roads @ cdn',
    ]);
  });

  it('starts over when the task file has changed', () => {
    const recorded = doneAll(plan([job('roads', FEATURE)], all));
    expect(plan([job('roads', FEATURE, {}, 'v2')], all, recorded).steps).to.have.length(7);
  });

  it('does again what comes after a task that is done again', () => {
    const roads = job('roads', FEATURE);
    const recorded = doneAll(plan([roads], all));
    const crashed = (of: Job): TaskRecord[] =>
      recorded(of).map((task) => (task.type === 'restore' ? { ...task, state: 'started' } : task));
    expect(plan([roads], all, crashed).steps.map(label)).to.include.members([
      'fetch roads @ local',
      'layer roads @ http://two',
    ]);
  });

  it('puts a group after its members of the same run, whatever the order of the files', () => {
    const parent = job('parent', ['workspace', 'group'], { members: ['child', 'roads'] });
    const child = job('child', ['workspace', 'group'], { members: ['rivers'] });
    const result = plan([parent, child, job('roads', FEATURE), job('rivers', FEATURE)], all);
    const order = result.steps.map(label);
    const at = (text: string): number => order.indexOf(text);
    expect(at('group parent @ http://one')).to.be.greaterThan(at('group child @ http://one'));
    expect(at('group child @ http://one')).to.be.greaterThan(at('layer rivers @ http://one'));
    expect(at('group parent @ http://one')).to.be.greaterThan(at('layer roads @ http://one'));
    expect([...find(result, 'group parent @ http://one').after].map(label)).to.not.include(
      'layer roads @ http://two',
    );
  });

  it('refuses groups that hold each other, names them, and plans the rest', () => {
    const jobs = [
      job('a', ['group'], { members: ['b'] }),
      job('b', ['group'], { members: ['a'] }),
      job('roads', FEATURE),
    ];
    const result = plan(jobs, all);
    expect(result.circular.map(({ job: of }) => of.path)).to.have.members(['a', 'b']);
    expect(result.circular[0]?.circle).to.have.members(['a', 'b']);
    expect(result.steps).to.have.length(7);
  });

  it('keeps every promise for random jobs', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const feature = fc.record({ name: fc.constantFrom(...names), workspace: fc.constantFrom('x', 'y') });
    const groups = fc.record({
      name: fc.constantFrom('g1', 'g2', 'g3', 'g4'),
      workspace: fc.constantFrom('x', 'y'),
      members: fc.subarray([...names, 'g1', 'g2', 'g3', 'g4']),
    });
    const input = fc.tuple(
      fc.uniqueArray(feature, { selector: (of) => of.name }),
      fc.uniqueArray(groups, { selector: (of) => of.name }),
    );
    fc.assert(
      fc.property(input, ([features, grouped]) => {
        const jobs = [
          ...grouped.map((spec) => job(`g/${spec.name}`, ['workspace', 'group', 'purge'], spec)),
          ...features.map((spec) => job(`l/${spec.name}`, FEATURE, spec)),
        ];
        const result = plan(jobs, all);
        const position = new Map(result.steps.map((step, index) => [step, index]));
        // Everything exactly once.
        expect(new Set(result.steps.map((step) => step.id)).size).to.equal(result.steps.length);
        const planned = new Set(result.steps.flatMap((step) => step.jobs));
        const circular = new Set(result.circular.map(({ job: of }) => of));
        for (const of of jobs) expect(planned.has(of)).to.equal(!circular.has(of));
        for (const step of result.steps) {
          // No task before what it needs.
          for (const before of [...step.needs, ...step.after])
            expect(position.get(before)).to.be.lessThan(position.get(step) ?? -1);
          // No two tasks on one object of a server at once: a layer's tasks form a chain.
          for (const other of result.steps)
            if (other !== step && other.object === step.object && other.target.id === step.target.id)
              expect(comesAfter(step, other) || comesAfter(other, step)).to.equal(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
