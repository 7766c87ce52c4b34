import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/lib/hash.js';
import { workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { succeeds } from './master.js';

const stores = ['a', 'b', 'c'].map((name) => `dpaw/wms_stores/town.${name}.json`);
const store = (path: string): string =>
  JSON.stringify({
    ...{ workspace: 'town', name: path.split('.')[1], action: 'publish' },
    capability_url: 'http://maps.example.org/wms?service=WMS&request=GetCapabilities',
  });

describe('commands that only read', () => {
  let rig: Rig;
  let record: string;
  before(async () => {
    rig = await makeRig();
    record = join(rig.clone, 'code/.sync_status');
    await rig.commit({
      ...workspaceFiles('town'),
      ...Object.fromEntries(stores.map((path) => [path, store(path)])),
    });
    succeeds(await rig.pull());
  });
  after(() => rig.close());
  const content = async (): Promise<string> => sha256(await readFile(join(record, 'record.db')));

  it('make no record where there is none', async () => {
    expect(succeeds(await rig.cli('status')).stdout).to.equal('last run: none\n0 task files\n');
    const status = JSON.parse(succeeds(await rig.cli('status', '--json')).stdout) as unknown;
    expect(status).to.deep.equal({ running: null, lastRun: null, jobs: [] });
    expect(succeeds(await rig.cli('plan')).stdout).to.match(/: 4 jobs, \d+ steps\n/);
    expect(await rig.cli('health')).to.include({ code: 3 });
    expect(existsSync(record)).to.equal(false);
  });

  it('leave the record as it is; `plan` says what the removal guard would stop, and ends with 0', async () => {
    succeeds(await rig.cli('sync'));
    await rig.commit(Object.fromEntries(stores.map((path) => [path, null])));
    succeeds(await rig.pull());
    const before = await content();
    const why = 'everything would be removed: 3 of 3 published things would be removed';
    const { stdout } = succeeds(await rig.cli('plan'));
    expect(stdout).to.include(`stopped  before the first change, until approved: ${why}`);
    const plan = JSON.parse(succeeds(await rig.cli('plan', '--json')).stdout) as { stopped: string | null };
    expect(plan.stopped).to.equal(why);
    succeeds(await rig.cli('status', '--all'));
    succeeds(await rig.cli('filter', 'test'));
    await rig.cli('health');
    expect(await content()).to.equal(before);
  });

  it('`plan` does not speak of the guard once the list is approved', async () => {
    const stopped = await rig.cli('sync');
    expect(stopped.code).to.equal(3);
    succeeds(await rig.cli('approve', /approve (\d+)/.exec(stopped.stderr)?.[1] ?? ''));
    const plan = JSON.parse(succeeds(await rig.cli('plan', '--json')).stdout) as { stopped: string | null };
    expect(plan.stopped).to.equal(null);
    // Still approved: to look is not to use it.
    succeeds(await rig.cli('sync'));
  });
});
