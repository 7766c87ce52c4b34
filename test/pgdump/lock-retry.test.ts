import { expect } from 'chai';
import { layoutOf, failureOf, makeRig, md5Of, never, published, schemas, type Rig } from './rig.js';

describe('pgdump/lock-retry', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
    await rig.master.query('CREATE TABLE d.t (id int); INSERT INTO d.t VALUES (1)');
    await rig.publish('t');
    await rig.master.query('INSERT INTO d.t VALUES (2)');
  });
  afterEach(() => rig.close());

  it('gives up in time and names who is in the way; the old rows stay, the next try goes on', async () => {
    const reader = await rig.slave.client();
    await reader.query('BEGIN');
    await reader.query('SELECT /* the culprit */ * FROM s.t');
    const { rows } = await reader.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const file = await rig.dump('t');
    const impatient = rig.other({ lockWaitMs: 300 });
    const request = { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    const failure = await failureOf(impatient.publishTable(request, never));
    expect(failure).to.include({ reason: 'locked', retry: 'transient' });
    expect(failure.message).to.contain(`pid ${rows[0]!.pid} of postgres (idle in transaction`);
    expect(await rig.slave.query('SELECT * FROM s.t')).to.have.length(1);
    expect(await failureOf(impatient.removeTable({ ...schemas, table: 't' }, never))).to.include({
      reason: 'locked',
    });
    await reader.end();
    expect(await impatient.publishTable(request, never)).to.include({ change: 'replaced' });
  });

  it('stops waiting when it is told to', async () => {
    const reader = await rig.slave.client();
    await reader.query('BEGIN; LOCK TABLE d.t IN ACCESS SHARE MODE');
    const file = await rig.dump('t');
    const controller = new AbortController();
    const request = { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    const publishing = rig.database.publishTable(request, controller.signal);
    setTimeout(() => controller.abort(), 200);
    const start = Date.now();
    expect(await failureOf(publishing)).to.include({ reason: 'cancelled' });
    expect(Date.now() - start).to.be.below(2_000);
    await reader.end();
    expect(await layoutOf(rig.slave, 't')).to.deep.equal(published('t'));
  });

  it('waits for another agent that works on the same table, then finds it done', async () => {
    const file = await rig.dump('t');
    const request = { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    const second = rig.other({});
    const results = await Promise.all([
      rig.database.publishTable(request, never),
      second.publishTable(request, never),
    ]);
    expect(results.map(({ change }) => change).sort()).to.deep.equal(['replaced', 'unchanged']);
    expect(await rig.slave.query('SELECT * FROM s.t')).to.have.length(2);
  });
});
