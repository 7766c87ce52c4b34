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

  /** Publishes d.t impatiently while a session has this open; the message of the failure, and the session's process. */
  const blockedBy = async (sql: string): Promise<{ pid: number; message: string }> => {
    const blocker = await rig.slave.client();
    await blocker.query(`BEGIN; ${sql}`);
    const { rows } = await blocker.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const file = await rig.dump('t');
    const request = { ...schemas, table: 't', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    const impatient = rig.other({ lockWaitMs: 300 });
    const failure = await failureOf(impatient.publishTable(request, never));
    expect(failure).to.include({ reason: 'locked', retry: 'transient' });
    expect(await rig.slave.query('SELECT * FROM s.t')).to.have.length(1);
    await blocker.end();
    expect(await impatient.publishTable(request, never)).to.include({ change: 'replaced' });
    expect(await layoutOf(rig.slave, 't')).to.deep.equal(published('t'));
    return { pid: rows[0]!.pid, message: failure.message };
  };

  it('names who holds a table with a foreign key to this one', async () => {
    await rig.master.query('ALTER TABLE d.t ADD PRIMARY KEY (id)');
    await rig.publish('t');
    await rig.slave.query(`TRUNCATE d.t; INSERT INTO d.t VALUES (1); CREATE SCHEMA mine;
      CREATE TABLE mine.child (id int REFERENCES d.t); INSERT INTO mine.child VALUES (1)`);
    await rig.master.query('INSERT INTO d.t VALUES (3)');
    const reading = await blockedBy('SELECT * FROM mine.child');
    expect(reading.message).to.match(
      new RegExp(`pid ${reading.pid} of postgres \\(idle in transaction for \\d+ s, holds mine\\.child: `),
    );
    await rig.slave.query('DELETE FROM d.t WHERE id > 1');
    await rig.master.query('INSERT INTO d.t VALUES (4)');
    const writing = await blockedBy('INSERT INTO mine.child VALUES (1)');
    // The new row's key is looked up in the table itself as well.
    expect(writing.message).to.match(new RegExp(`pid ${writing.pid} of .* holds .*mine\\.child: `));
  });

  it('names who holds a materialized view of the table', async () => {
    await rig.slave.query('CREATE SCHEMA mine; CREATE MATERIALIZED VIEW mine.stored AS SELECT * FROM d.t');
    const { pid, message } = await blockedBy('SELECT * FROM mine.stored');
    expect(message).to.match(new RegExp(`pid ${pid} of postgres .* holds mine\\.stored: `));
    expect(await rig.slave.query('SELECT * FROM mine.stored')).to.have.length(2);
  });

  it('names who writes to a table to which a foreign key of the dump points', async () => {
    await rig.master.query(
      'CREATE TABLE d.parent (id int PRIMARY KEY); INSERT INTO d.parent VALUES (1), (2)',
    );
    await rig.publish('parent');
    await rig.master.query('ALTER TABLE d.t ADD FOREIGN KEY (id) REFERENCES d.parent');
    const { pid, message } = await blockedBy('INSERT INTO d.parent VALUES (9)');
    expect(message).to.match(new RegExp(`pid ${pid} of postgres .* holds d\\.parent: `));
  });

  it('a session that this user may not look into is named as far as it may be', async () => {
    const reader = await rig.slave.client();
    await reader.query('BEGIN; LOCK TABLE d.t IN ACCESS SHARE MODE');
    await rig.slave.query(
      `CREATE ROLE little LOGIN PASSWORD 'little'; GRANT USAGE ON SCHEMA borg_slave TO little;
       GRANT SELECT ON ALL TABLES IN SCHEMA borg_slave TO little`,
    );
    const little = await rig.slave.client({ user: 'little', password: 'little' });
    const { rows } = await little.query(
      `SELECT who, state, seconds, relations FROM borg_slave.lock_holders('s', 'd', 'o', 't')`,
    );
    expect(rows).to.deep.equal([{ who: 'postgres', state: null, seconds: null, relations: ['d.t'] }]);
    await little.end();
    await reader.end();
    await rig.slave.query('DROP OWNED BY little; DROP ROLE little');
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
