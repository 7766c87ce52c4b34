import { expect } from 'chai';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeRig, type Rig } from '../support/rig.js';
import { publish, publishTables, rowsOf, statusOf, styleFile, succeeds, taskFile } from './master.js';

const BAD = taskFile('bad');

describe('trying again', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig({ env: { ON_FAILURE: 'accept' } });
    succeeds(await rig.cli('init'));
  });
  afterEach(async () => rig.close());

  it('a final failure waits for its file to change, or for `slave-sync retry`', async () => {
    await rig.commit({ [BAD]: '{"name": ' });
    expect(succeeds(await rig.pull()).stdout).to.match(/0 done, 1 failed/);
    expect((await statusOf(rig)).get(BAD)?.failure).to.include({ retry: 'final' });
    const known = await rig.cli('sync');
    expect(known.code).to.equal(1);
    expect(known.stdout).to.match(/as before/);

    const wrong = await rig.cli('retry', 'dpaw/layers/nothing.json');
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.include('dpaw/layers/nothing.json');
    succeeds(await rig.cli('retry', BAD));
    expect((await statusOf(rig)).get(BAD)?.state).to.equal('pending');
    const again = await rig.cli('sync');
    expect(again.code).to.equal(1);
    expect(again.stdout).not.to.match(/as before/);
  });

  it('a newer task file takes the place of one that waits', async () => {
    await publishTables(rig, 'bad');
    const task = JSON.parse(await readFile(join(rig.upstream, BAD), 'utf8')) as { data: { file: string } };
    const dump = task.data.file.slice(task.data.file.indexOf(':') + 1);
    const whole = await readFile(dump);
    await truncate(dump, 100);
    succeeds(await rig.pull());
    expect((await statusOf(rig)).get(BAD)?.failure).to.include({ retry: 'remote' });
    // The daemon leaves it alone until it is due, also when it is mended.
    await writeFile(dump, whole);
    expect((await rig.cli('poll', '--once')).stdout).to.match(/as before/);
    expect(await rowsOf(rig, 'ws1.bad')).to.equal(undefined);

    await rig.masterDatabase.query('DELETE FROM ws1_data.bad WHERE id > 7');
    await publish(rig, 'feature', 'ws1', 'bad', '--style', `builtin=${await styleFile('#0000ff')}`);
    succeeds(await rig.cli('poll', '--once'));
    expect(await rowsOf(rig, 'ws1.bad')).to.equal(7);
    const row = (await statusOf(rig)).get(BAD);
    expect([row?.state, row?.failure]).to.deep.equal(['done', undefined]);
  });
});
