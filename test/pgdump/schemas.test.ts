import { expect } from 'chai';
import { Secret } from '../../src/lib/secret.js';
import type { Database } from '../../src/pgdump/database.js';
import { postgres, type TestDatabase } from '../support/postgres.js';
import { failureOf, makeRig, md5Of, never, schemas, type Rig } from './rig.js';

describe('pgdump/schemas', () => {
  let rig: Rig;
  let slave: TestDatabase;
  let agent: Database;
  /** Schemas are databases' own, roles are the cluster's: each test has names of its own. */
  let number = 0;
  let ws: string;

  before(async () => {
    rig = await makeRig();
    slave = rig.slave;
    // No superuser: the rights that the documentation asks for.
    await slave.query(
      `CREATE ROLE agent LOGIN CREATEROLE PASSWORD 'agent-password'; GRANT sso_access TO agent`,
    );
    await slave.query(`ALTER DATABASE ${slave.name} OWNER TO agent; DROP SCHEMA borg_slave CASCADE`);
    agent = rig.other({ user: 'agent', password: new Secret('agent-password') });
  });
  after(async () => {
    await slave.query('REASSIGN OWNED BY agent TO postgres');
    await slave.query('DROP OWNED BY agent');
    await rig.close();
    const cluster = await postgres();
    const other = await cluster.createDatabase({ postgis: false });
    await other.query('DROP ROLE agent');
    await other.drop();
  });
  beforeEach(() => {
    ws = `ws${++number}`;
  });

  const ensure = (authLevel: number, database = agent) =>
    database.ensureSchemas(
      { schema: ws, dataSchema: `${ws}_data`, outdatedSchema: `${ws}_outdated`, authLevel },
      never,
    );
  const canRead = async (role: string, relation = `${ws}.v`): Promise<unknown> =>
    (
      await slave.query(
        `SELECT has_schema_privilege($1, $2, 'USAGE') AND has_table_privilege($1, $3, 'SELECT') AS yes`,
        [role, ws, relation],
      )
    )[0]!['yes'];
  const roleExists = async (role: string) =>
    (await slave.query('SELECT FROM pg_roles WHERE rolname = $1', [role])).length === 1;
  const asAgent = async (sql: string): Promise<void> => {
    const client = await slave.client({ user: 'agent', password: 'agent-password' });
    await client.query(sql).finally(() => client.end());
  };

  it('makes three schemas once', async () => {
    expect(await ensure(1)).to.equal('created');
    expect(await ensure(1)).to.equal('unchanged');
    expect(await ensure(0)).to.equal('unchanged');
    const rows = await slave.query('SELECT nspname FROM pg_namespace WHERE nspname LIKE $1', [`${ws}%`]);
    expect(rows).to.have.length(3);
  });

  it('level 1: sso_access reads the views there are and those to come, and is in no need of anything else', async () => {
    await slave.query(`CREATE SCHEMA ${ws} AUTHORIZATION agent`);
    await asAgent(`CREATE VIEW ${ws}.v AS SELECT 1 AS x`);
    expect(await ensure(1)).to.equal('created');
    await asAgent(`CREATE VIEW ${ws}.later AS SELECT 1 AS x`);
    expect(await canRead('sso_access')).to.equal(true);
    expect(await canRead('sso_access', `${ws}.later`)).to.equal(true);
    expect(await roleExists(ws)).to.equal(false);
  });

  it('level 2: a role named like the schema reads it, sso_access does not; and back', async () => {
    await ensure(1);
    await asAgent(`CREATE VIEW ${ws}.v AS SELECT 1 AS x`);
    expect(await ensure(2)).to.equal('updated');
    expect(await ensure(2)).to.equal('unchanged');
    expect([await canRead(ws), await canRead('sso_access')]).to.deep.equal([true, false]);
    await asAgent(`CREATE VIEW ${ws}.later AS SELECT 1 AS x`);
    expect(await canRead(ws, `${ws}.later`)).to.equal(true);
    expect(await ensure(1)).to.equal('updated');
    expect(await canRead('sso_access')).to.equal(true);
    // It was ours, and nothing refers to it any more.
    expect(await roleExists(ws)).to.equal(false);
  });

  it('keeps a role that something still mentions, and all it owns', async () => {
    await ensure(2);
    await slave.query(`CREATE TABLE public.of_${ws} (x int); ALTER TABLE public.of_${ws} OWNER TO ${ws}`);
    expect(await ensure(1)).to.equal('updated');
    expect(await roleExists(ws)).to.equal(true);
    expect(await slave.query(`SELECT to_regclass('public.of_${ws}') AS t`)).to.deep.equal([
      { t: `of_${ws}` },
    ]);
    await slave.query(`DROP TABLE public.of_${ws}; DROP OWNED BY ${ws}; DROP ROLE ${ws}`);
  });

  it('leaves a person of that name what somebody else gave them', async () => {
    await slave.query(`CREATE ROLE ${ws} LOGIN`);
    await ensure(1);
    await asAgent(
      `CREATE VIEW ${ws}.v AS SELECT 1 AS x; GRANT USAGE ON SCHEMA ${ws} TO ${ws}; GRANT SELECT ON ${ws}.v TO ${ws}`,
    );
    expect(await ensure(1)).to.equal('unchanged');
    expect(await canRead(ws)).to.equal(true);
    await slave.query(`DROP OWNED BY ${ws}; DROP ROLE ${ws}`);
  });

  it('twenty at once, of both levels, do not collide', async () => {
    const all = Array.from({ length: 20 }, (_, i) =>
      agent.ensureSchemas(
        {
          schema: `${ws}_${i % 5}`,
          dataSchema: `${ws}_${i % 5}_data`,
          outdatedSchema: `${ws}_${i % 5}_out`,
          authLevel: i % 5 < 3 ? 1 : 2,
        },
        never,
      ),
    );
    const changes = await Promise.all(all);
    expect(changes.filter((change) => change === 'created')).to.have.length(5);
    await Promise.all([agent.ensureExtension(never), agent.ensureExtension(never)]);
  });

  it('two agents at once install the bookkeeping once', async () => {
    await asAgent('DROP SCHEMA borg_slave CASCADE');
    const [first, second] = [1, 2].map(() =>
      rig.other({ user: 'agent', password: new Secret('agent-password') }),
    );
    await Promise.all([ensure(1, first), ensure(1, second), ensure(1, first), ensure(1, second)]);
    expect(await ensure(1, first)).to.equal('unchanged');
  });

  it('refuses a reader role that would be somebody with power, reserved, or the agent itself', async () => {
    await slave.query(`CREATE ROLE ${ws}_boss CREATEDB`);
    for (const schema of ['postgres', 'agent', 'none', `${ws}_boss`]) {
      const request = { schema, dataSchema: `${ws}_data`, outdatedSchema: `${ws}_out`, authLevel: 2 };
      expect(await failureOf(agent.ensureSchemas(request, never)), schema).to.include({
        reason: 'conflict',
        retry: 'final',
      });
    }
    expect(await slave.query(`SELECT FROM pg_namespace WHERE nspname = 'postgres'`)).to.deep.equal([]);
    await slave.query(`DROP ROLE ${ws}_boss`);
  });

  it("refuses schemas that are nobody's workspace", async () => {
    for (const schema of ['public', 'information_schema', 'pg_catalog', 'borg_slave']) {
      const request = { schema, dataSchema: `${ws}_data`, outdatedSchema: `${ws}_out`, authLevel: 1 };
      expect(await failureOf(agent.ensureSchemas(request, never)), schema).to.include({
        reason: 'invalid-task-file',
        retry: 'final',
      });
    }
  });

  it('gives a schema that was there before no readers, where only new ones get any', async () => {
    await slave.query(`CREATE SCHEMA ${ws}_theirs AUTHORIZATION agent`);
    const request = {
      ...{ schema: `${ws}_theirs`, dataSchema: `${ws}_data`, outdatedSchema: `${ws}_out` },
      ...{ authLevel: 1, onlyWhenNew: true },
    };
    await agent.ensureSchemas(request, never);
    const [row] = await slave.query(
      `SELECT nspacl::text AS acl FROM pg_namespace WHERE nspname = '${ws}_theirs'`,
    );
    expect(row?.['acl'] ?? '').to.not.include('sso_access');
  });

  it('refuses a level that does not exist', async () => {
    expect(await failureOf(ensure(3))).to.include({ reason: 'invalid-task-file', retry: 'final' });
  });

  it('publishes as that unprivileged user', async () => {
    await rig.master.query('CREATE TABLE d.plain (id int); INSERT INTO d.plain VALUES (1)');
    const file = await rig.dump('plain');
    await slave.query(
      'ALTER SCHEMA d OWNER TO agent; ALTER SCHEMA o OWNER TO agent; ALTER SCHEMA s OWNER TO agent',
    );
    const request = { ...schemas, table: 'plain', dumpPath: file, md5: await md5Of(file), jobId: 'j' };
    expect(await agent.publishTable(request, never)).to.include({ change: 'created' });
    await rig.master.query('ALTER TABLE d.plain ADD x int');
    const second = await rig.dump('plain');
    expect(
      await agent.publishTable({ ...request, dumpPath: second, md5: await md5Of(second) }, never),
    ).to.include({ change: 'replaced', columnsChanged: true });
  });

  it('does not touch the view of somebody it has no power over, while it need not', async () => {
    await rig.master.query('CREATE TABLE d.shared (id int, x int); INSERT INTO d.shared VALUES (1, 1)');
    await slave.query(
      'ALTER SCHEMA d OWNER TO agent; ALTER SCHEMA o OWNER TO agent; ALTER SCHEMA s OWNER TO agent',
    );
    const publish = async () => {
      const dumpPath = await rig.dump('shared');
      const request = { ...schemas, table: 'shared', dumpPath, md5: await md5Of(dumpPath), jobId: 'j' };
      return agent.publishTable(request, never);
    };
    await publish();
    await slave.query('CREATE VIEW public.of_others AS SELECT id FROM s.shared');
    await rig.master.query('INSERT INTO d.shared VALUES (2, 2)');
    expect(await publish()).to.include({ change: 'replaced' });
    expect(await slave.query('SELECT * FROM public.of_others')).to.have.length(2);
    await rig.master.query('ALTER TABLE d.shared DROP COLUMN x, ALTER id TYPE bigint');
    const failure = await failureOf(publish());
    expect(failure).to.include({ reason: 'database', retry: 'remote' });
    expect(failure.message).to.contain('of_others');
    expect(await slave.query('SELECT * FROM public.of_others')).to.have.length(2);
    await slave.query('DROP VIEW public.of_others');
    expect(await publish()).to.include({ change: 'recreated' });
  });

  it('says what to do when PostGIS can not be installed', async () => {
    const cluster = await postgres();
    const bare = await cluster.createDatabase({ postgis: false });
    const database = rig.other({
      database: bare.name,
      user: 'agent',
      password: new Secret('agent-password'),
    });
    const failure = await failureOf(database.ensureExtension(never));
    expect(failure).to.include({ retry: 'remote' });
    expect(failure.hint).to.contain('CREATE EXTENSION postgis');
    const superuser = rig.other({ database: bare.name });
    expect(await superuser.ensureExtension(never)).to.equal('created');
    expect(await superuser.ensureExtension(never)).to.equal('unchanged');
    await superuser.close();
    await database.close();
    await bare.drop();
  });
});
