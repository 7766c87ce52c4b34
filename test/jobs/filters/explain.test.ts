import { expect } from 'chai';
import { explainFilter } from '../../../src/jobs/filters/explain.js';
import { FilterError } from '../../../src/jobs/filters/filter.js';

describe('filters: explaining', () => {
  const source = "lambda job: job['workspace'] in ('a', 'b') and not job['name'].startswith('tmp_')";

  it('names the part that left a job out', () => {
    expect(explainFilter(source, { workspace: 'c', name: 'roads' })).to.deep.equal({
      value: 'False',
      taken: false,
      because: [
        { part: "job['workspace'] in ('a', 'b')", value: 'False' },
        { part: "job['workspace']", value: "'c'" },
      ],
    });
    expect(explainFilter(source, { workspace: 'a', name: 'tmp_x' }).because).to.deep.equal([
      { part: "job['name'].startswith('tmp_')", value: 'True' },
    ]);
  });

  it('names all parts when all were needed', () => {
    const { taken, because } = explainFilter(source, { workspace: 'a', name: 'roads' });
    expect(taken).to.equal(true);
    expect(because.map(({ part }) => part)).to.deep.equal([
      "job['workspace'] in ('a', 'b')",
      "job['workspace']",
      "job['name'].startswith('tmp_')",
    ]);
  });

  it('follows or and conditional expressions, and looks at nothing that was not evaluated', () => {
    const conditional = "lambda job: job['ok'] or job['missing'] if job['n'] > 1 else job['missing']";
    expect(explainFilter(conditional, { ok: 1, n: 2 })).to.deep.equal({
      value: '1',
      taken: true,
      because: [
        { part: "job['n'] > 1", value: 'True' },
        { part: "job['n']", value: '2' },
        { part: "job['ok']", value: '1' },
      ],
    });
  });

  it('prints values as Python does, and cuts long ones', () => {
    const values = (job: Record<string, unknown>, body: string): string =>
      explainFilter(`lambda job: ${body}`, job).value;
    expect(values({ a: [null, true, 1.5, { x: "it's" }] }, "(job['a'], (1,), 2.0, {3})")).to.equal(
      "([None, True, 1.5, {'x': \"it's\"}], (1,), 2.0, {3})",
    );
    expect(values({ a: 'x'.repeat(10_000) }, "job['a']")).to.have.length.below(250);
  });

  it('fails as the filter does', () => {
    expect(() => explainFilter(source, {})).to.throw(FilterError, "KeyError: 'workspace'");
    expect(() => explainFilter('lambda job: eval("1")', {})).to.throw(FilterError, 'can be called here');
  });
});
