import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from '../support/daemon.js';
import { processesOf } from '../support/processes.js';
import { command } from '../support/repository.js';

describe('the demo', function () {
  this.timeout(180_000);

  it('publishes, updates and removes, says what is published, and leaves nothing behind', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));

    const { code, stdout, stderr } = await command(
      process.execPath,
      ['--import', 'tsx', 'demo/demo.ts'],
      root,
    );

    expect(code, stdout + stderr).to.equal(0);
    const published = stdout.slice(stdout.indexOf('Published at the end:'));
    expect(published).to.match(/slave_sync_demo:towns +250 .*\n +slave_sync_demo:roads +150 /);
    const folder = /(\S+)\/hg-repository-/.exec(stdout)?.[1] ?? '';
    expect(folder).to.match(/^\//);
    const gone = (): boolean => processesOf(folder).length === 0 && !existsSync(folder);
    expect(await until(gone, 5_000), processesOf(folder).join('\n')).to.be.true;
  });
});
