import { expect } from 'chai';
import { compileFilter } from '../../../src/jobs/filters/compile.js';
import { FilterError } from '../../../src/jobs/filters/filter.js';

function accepts(source: string, job: Record<string, unknown>): boolean {
  return compileFilter(source, 'FEATURE_FILTER').accepts(job);
}

function failure(source: string, job: Record<string, unknown>): FilterError {
  try {
    accepts(source, job);
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
  throw new Error(`did not fail: ${source}`);
}

describe('filters: on jobs', () => {
  const DOCUMENTED: [string, Record<string, unknown>, boolean][] = [
    ['lambda job: True', {}, true],
    ['lambda job: False', {}, false],
    ["lambda job:job.get('allow_authenticated',False)", { allow_authenticated: true }, true],
    ["lambda job:job.get('allow_authenticated',False)", { auth_level: 0 }, false],
    ["lambda job: job.get('auth_level',-1) in [0,1]", { auth_level: 1 }, true],
    ["lambda job: job.get('auth_level',-1) in [0,1]", { auth_level: 2 }, false],
    ["lambda job: job.get('auth_level',-1) in [0,1]", {}, false],
    [
      "lambda job: job['workspace'] in ('a','b') and not job['name'].startswith('tmp_')",
      { workspace: 'a', name: 'roads' },
      true,
    ],
    [
      "lambda job: job['workspace'] in ('a','b') and not job['name'].startswith('tmp_')",
      { workspace: 'a', name: 'tmp_roads' },
      false,
    ],
    ["lambda job: any(k.lower() == 'fire' for k in job.get('keywords') or [])", { keywords: ['Fire'] }, true],
    ["lambda job: any(k.lower() == 'fire' for k in job.get('keywords') or [])", {}, false],
    [
      "lambda job: job['job_file'].split('/')[-1][:-5] == job['name']",
      { job_file: 'x/layers/a.json', name: 'a' },
      true,
    ],
    ["lambda job: job.get('auth_level',-1) is None", { auth_level: null }, true],
    ["lambda job: job.get('sync_postgres_data') is not None", { sync_postgres_data: false }, true],
    ["lambda job: job['bbox'][0] <= 115.5 < job['bbox'][2]", { bbox: [115, -33, 116.6, -32] }, true],
  ];
  for (const [source, job, expected] of DOCUMENTED)
    it(`${source} ${expected ? 'takes' : 'leaves'} ${JSON.stringify(job)}`, () => {
      expect(accepts(source, job)).to.equal(expected);
    });

  it('takes a job by the truth of the value, as Python does', () => {
    for (const value of [1, 'no', [0], { a: 1 }, -0.5])
      expect(accepts("lambda job: job['v']", { v: value })).to.equal(true);
    for (const value of [0, '', [], {}, null])
      expect(accepts("lambda job: job['v']", { v: value })).to.equal(false);
  });

  it('fails a job when None is ordered, and says that Python 2 accepted it', () => {
    for (const source of [
      "lambda job: job.get('auth_level') <= 1",
      "lambda job: 0 < job.get('auth_level')",
    ]) {
      const error = failure(source, { name: 'roads' });
      expect(error.message).to.match(/^FEATURE_FILTER: TypeError: .*NoneType.*Python 2 accepted None/);
      expect(error.reason).to.equal('filter-failed');
      expect(error.retry).to.equal('final');
    }
  });

  it('names the filter, the place and the part when a job makes it fail', () => {
    const error = failure("lambda job: True and job['workspace'] == 'a'", {});
    expect(error.message).to.equal(
      "FEATURE_FILTER: KeyError: 'workspace', at character 22, in job['workspace']",
    );
  });

  it('sees keys of the job only, not what JavaScript objects inherit', () => {
    const job = JSON.parse('{"__proto__": {"x": 1}, "toString": 2}') as Record<string, unknown>;
    expect(
      accepts("lambda job: 'constructor' not in job and job.get('hasOwnProperty') is None", job),
    ).to.equal(true);
    expect(
      accepts("lambda job: job['__proto__']['x'] == 1 and job['toString'] == 2 and len(job) == 2", job),
    ).to.equal(true);
    expect(failure("lambda job: job['__proto__']", {}).message).to.contain("KeyError: '__proto__'");
  });

  it('does not change the job and gives the same answer again', () => {
    const job = Object.freeze({ tags: Object.freeze(['a']) });
    const filter = compileFilter("lambda job: job['tags'] + ['b'] == ['a', 'b']", 'WMS_FILTER');
    expect([filter.accepts(job), filter.accepts(job)]).to.deep.equal([true, true]);
  });
});
