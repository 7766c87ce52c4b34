import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { Secret } from '../../src/lib/secret.js';
import { initMaster } from '../../src/report/init.js';
import type { MasterSettings } from '../../src/report/types.js';
import { postgres, type TestDatabase } from '../support/postgres.js';

const never = new AbortController().signal;

describe('report/init', () => {
  let master: TestDatabase;
  let settings: MasterSettings;
  before(async () => {
    master = await (await postgres()).createDatabase({ postgis: false });
    const { host, port, name: database, user } = master;
    settings = { host, port, database, schema: 'monitor "x"', user, password: new Secret(master.password) };
  });
  after(() => master.drop());

  it('makes schema and tables with their unique keys, and nothing the second time', async () => {
    expect(await initMaster(settings, never)).to.deep.equal([
      'monitor_slaveserver',
      'monitor_publishsyncstatus',
      'monitor_tasksyncstatus',
    ]);
    const keys = await master.query(
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE contype = 'u' AND connamespace = '"monitor ""x"""'::regnamespace ORDER BY 1`,
    );
    expect(keys.map((row) => row['definition'])).to.deep.equal([
      'UNIQUE (slave_server_id, publish)',
      'UNIQUE (slave_server_id, task_type, task_name, action)',
    ]);
    await master.query(
      `INSERT INTO "monitor ""x""".monitor_slaveserver (name, listen_channels) VALUES ('s', 'c')`,
    );
    expect(await initMaster(settings, never)).to.deep.equal([]);
    expect(await master.query(`SELECT name FROM "monitor ""x""".monitor_slaveserver`)).to.have.length(1);
  });

  it('makes only the one that is missing', async () => {
    await master.query('DROP TABLE "monitor ""x""".monitor_tasksyncstatus');
    expect(await initMaster(settings, never)).to.deep.equal(['monitor_tasksyncstatus']);
  });

  it('needs no right to create where everything is there', async () => {
    await master.query(`CREATE ROLE master_reader LOGIN PASSWORD 'reader'`);
    const reader = { ...settings, user: 'master_reader', password: new Secret('reader') };
    expect(await initMaster(reader, never)).to.deep.equal([]);
  });

  it('says what is wrong, and what to check', async () => {
    const refused = initMaster(
      { ...settings, schema: 'other', user: 'master_reader', password: new Secret('reader') },
      never,
    );
    const error = await refused.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(AgentError).and.include({ reason: 'database' });
    expect((error as AgentError).message).to.match(/permission denied/);
    const unreachable = await initMaster({ ...settings, port: 1 }, never).catch((thrown: unknown) => thrown);
    expect(unreachable).to.include({ reason: 'connection' });
  });
});
