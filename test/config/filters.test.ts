import { expect } from 'chai';
import { loadConfig } from '../../src/config.js';
import { compileFilter } from '../../src/jobs/filters/compile.js';
import { machine } from './support/machine.js';

describe('config: default filters', () => {
  it('decide as their lambdas do', async () => {
    const jobs = [
      {},
      ...[true, false, null, 0, 1, '', 'no', [], [0], {}].map((value) => ({ allow_authenticated: value })),
    ];
    for (const env of [{}, { SYNC_SERVER: 'a@b' }]) {
      const result = await loadConfig(env, { machine, repositoryRoot: '/srv/state' });
      if (!result.ok) throw new Error(JSON.stringify(result.errors));
      for (const { source, filter, isDefault } of Object.values(result.value.filters)) {
        const compiled = compileFilter(source, 'FEATURE_FILTER');
        expect(isDefault).to.equal(true);
        for (const job of jobs)
          expect(filter.accepts(job), `${source} ${JSON.stringify(job)}`).to.equal(compiled.accepts(job));
      }
    }
  });
});
