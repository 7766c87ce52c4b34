import { expect } from 'chai';
import { join } from 'node:path';
import { acquireLock } from '../../src/state/lock.js';
import { StateStore } from '../../src/state/store.js';
import { workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';

describe('health where only a hook runs', function () {
  this.timeout(60_000);
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    expect(await rig.cli('init')).to.include({ code: 0 });
    await rig.commit(workspaceFiles('town'));
    expect(await rig.pull()).to.include({ code: 0 });
  });
  after(() => rig.close());

  it('warns of a pull that was refused for settings in the repository, which leaves nothing else behind', async () => {
    expect(await rig.cli('health')).to.include({ code: 0 });
    await rig.commit({ 'code/.env': 'SLAVE_NAME=other' });
    expect((await rig.pull()).code).to.not.equal(0);
    const { code, stdout } = await rig.cli('health');
    expect([code, stdout]).to.deep.include(1);
    expect(stdout).to.match(
      /^SLAVE-SYNC WARNING - the last run \(hook hg\) broke off \d+ s ago: see its log, or run slave-sync sync \|/,
    );
    expect(await rig.cli('sync')).to.include({ code: 0 });
    expect(await rig.cli('health')).to.include({ code: 0 });
  });

  it('warns of a run that was killed, but not of one that is under way', async () => {
    const folder = join(rig.clone, 'code/.sync_status');
    const lock = acquireLock(folder, {
      pid: process.pid,
      command: 'slave-sync hook hg',
      since: '2026-01-01',
    });
    const store = new StateStore(folder);
    store.startRun('hook hg', new Date());
    store.close();
    try {
      expect((await rig.cli('health')).stdout).to.not.include('interrupted');
    } finally {
      lock.release();
    }
    const { code, stdout } = await rig.cli('health');
    expect([code, stdout]).to.deep.include(1);
    expect(stdout).to.include('the last run (hook hg) was interrupted');
  });
});
