import { expect } from 'chai';
import type { Job } from '../../src/jobs/job.js';
import { guard, type GuardInput } from '../../src/tasks/guard.js';
import { job } from './fixtures.js';

const removals = (count: number): Job[] =>
  Array.from({ length: count }, (_, index) => ({
    ...job(`dpaw/layers/${index}.json`, []),
    action: 'remove',
  }));

/** Identities of as many published things, the removed ones first. */
const things = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `layer:dpaw/layers/${index}.json`);

const guarding = (
  count: number,
  { applied = 100, ...rest }: Partial<Omit<GuardInput, 'applied'>> & { applied?: number } = {},
): string | undefined =>
  guard({
    jobs: [...removals(count), job('dpaw/layers/new.json', [])],
    applied: things(applied),
    maxRemovals: undefined,
    isEmpty: false,
    isAnother: false,
    ...rest,
  })?.why;

describe('guard', () => {
  it('stops more than 10 removals that are more than a quarter of what is applied', () => {
    expect(guarding(10, { applied: 20 })).to.equal(undefined);
    expect(guarding(25)).to.equal(undefined);
    expect(guarding(26)).to.match(/26 of 100/);
    expect(guarding(11, { applied: 45 })).to.equal(undefined);
    expect(guarding(12, { applied: 45 })).to.match(/12 of 45/);
  });

  it('stops the removal of everything, however little that is', () => {
    expect(guarding(2, { applied: 2 })).to.match(/everything/);
    expect(guarding(1, { applied: 1 })).to.equal(undefined);
  });

  it('goes by MAX_REMOVALS where it is set', () => {
    expect(guarding(40, { maxRemovals: 50 })).to.equal(undefined);
    expect(guarding(3, { maxRemovals: 2 })).to.match(/MAX_REMOVALS=2/);
    expect(guarding(1, { maxRemovals: 0 })).to.match(/MAX_REMOVALS=0/);
  });

  it('stops any removal when the repository is suddenly empty or another one', () => {
    expect(guarding(1, { isEmpty: true, applied: 1 })).to.match(/empty/);
    expect(guarding(1, { isAnother: true })).to.match(/another state repository/);
    expect(guarding(0, { isAnother: true })).to.equal(undefined);
  });

  it('does not count task files that say remove and take nothing away, as masters keep them for ever', () => {
    const jobs = removals(40);
    const rest = { maxRemovals: undefined, isEmpty: false, isAnother: false };
    expect(guard({ ...rest, jobs, applied: [] })).to.equal(undefined);
    expect(guard({ ...rest, jobs, applied: ['layer:another', ...things(5)] })).to.equal(undefined);
  });

  it('lists what would be removed, in whatever order the jobs come', () => {
    const input = { applied: things(3), maxRemovals: 0, isEmpty: false, isAnother: false };
    const one = guard({ ...input, jobs: removals(2) });
    const same = guard({ ...input, jobs: removals(2).reverse() });
    const other = guard({ ...input, jobs: removals(3) });
    expect(one?.removals).to.have.length(2).and.to.deep.equal(same?.removals);
    expect(other?.removals).to.have.length(3);
  });
});
