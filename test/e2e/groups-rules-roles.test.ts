import { expect } from 'chai';
import { at, list, text } from '../../src/geoserver/json.js';
import { featureFiles, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { layerExists, statusOf, succeeds, taskFile, type StatusRow } from './master.js';

const WORKSPACE = 'groups';
const groupFile = (name: string): string => `dpaw/layergroups/${WORKSPACE}.${name}.json`;

describe('layer groups, access rules and roles', function () {
  this.timeout(240_000);
  let rig: Rig;
  const removeWorkspace = (): Promise<unknown> =>
    rig.geoserver.request('DELETE', `/rest/workspaces/${WORKSPACE}.json?recurse=true`);
  before(async () => {
    rig = await makeRig({
      env: {
        ON_FAILURE: 'accept',
        LISTEN_CHANNELS: 'dpaw,kmi',
        FEATURE_FILTER: "lambda job: job.get('name') != 'hidden'",
      },
    });
    await removeWorkspace();
    succeeds(await rig.cli('init'));
  });
  after(async () => {
    await removeWorkspace();
    await rig.close();
  });

  const feature = (name: string): Promise<TaskFiles> => featureFiles(rig, { workspace: WORKSPACE, name });
  const group = (name: string, ...members: readonly string[]): TaskFiles => ({
    [groupFile(name)]: JSON.stringify({
      ...{ workspace: WORKSPACE, name, channel: 'dpaw' },
      layers: members.map((member) => ({
        ...{ type: member.startsWith('g_') ? 'group' : 'publish', name: member, workspace: WORKSPACE },
      })),
    }),
  });
  const members = async (name: string): Promise<string[] | undefined> => {
    const found = await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/layergroups/${name}.json`);
    if (found === undefined) return undefined;
    return list(at(found, 'layerGroup', 'publishables', 'published')).map((member) =>
      text(at(member, 'name')).slice(WORKSPACE.length + 1),
    );
  };
  const row = async (path: string): Promise<StatusRow | undefined> => (await statusOf(rig)).get(path);

  it('a member that is filtered out is left out; one that is missing fails the group; a circle is refused', async () => {
    await rig.commit({
      ...workspaceFiles(WORKSPACE),
      ...(await feature('roads')),
      ...(await feature('hidden')),
      // Nobody here listens to this channel, nor fetches its meta file.
      [`cddp/layers/${WORKSPACE}.away.json`]: JSON.stringify({
        meta: { file: 'borg@nowhere:/away.meta.json', md5: '0'.repeat(32) },
      }),
      ...group('g_partly', 'roads', 'hidden'),
      ...group('g_shared', 'roads', 'away'),
      ...group('g_waiting', 'roads', 'late'),
      ...group('g_outer', 'g_partly', 'roads'),
      ...group('g_a', 'g_b', 'roads'),
      ...group('g_b', 'g_a', 'roads'),
      ...group('g_self', 'g_self', 'roads'),
    });
    succeeds(await rig.pull());
    expect(await members('g_partly')).to.deep.equal(['roads']);
    expect((await row(groupFile('g_partly')))?.remark).to.include(`${WORKSPACE}:hidden`);
    expect(await members('g_shared')).to.deep.equal(['roads']);
    expect((await row(groupFile('g_shared')))?.remark).to.include(`${WORKSPACE}:away`);
    expect(await members('g_outer')).to.deep.equal(['g_partly', 'roads']);
    const waiting = (await row(groupFile('g_waiting')))?.failure;
    expect(waiting).to.include({ reason: 'not-published-yet', retry: 'remote' });
    expect(waiting?.message).to.include(`${WORKSPACE}:late`);
    for (const name of ['g_a', 'g_b']) {
      const circle = (await row(groupFile(name)))?.failure;
      expect(circle?.reason).to.equal('conflict');
      expect(circle?.message).to.include(groupFile('g_a')).and.to.include(groupFile('g_b'));
    }
    expect((await row(groupFile('g_self')))?.failure?.message).to.include('the group holds itself');
    for (const name of ['g_waiting', 'g_a', 'g_b', 'g_self'])
      expect(await members(name), name).to.equal(undefined);
  });

  it('they follow when the member comes and when the filter is widened, and the circle is broken', async () => {
    await rig.configure({ FEATURE_FILTER: 'lambda job: True' });
    await rig.commit({ ...(await feature('late')), ...group('g_b', 'roads'), [groupFile('g_self')]: null });
    succeeds(await rig.pull());
    expect(await members('g_partly')).to.deep.equal(['roads', 'hidden']);
    expect(await members('g_waiting')).to.deep.equal(['roads', 'late']);
    expect(await members('g_a')).to.deep.equal(['g_b', 'roads']);
    for (const [path, { state, failure }] of await statusOf(rig))
      expect(state, `${path} ${failure?.message}`).to.equal('done');
  });

  it('groups in groups and their members are removed in one pull', async () => {
    await rig.commit({
      ...Object.fromEntries(
        ['g_partly', 'g_shared', 'g_outer', 'g_a', 'g_b', 'g_waiting'].map((name) => [groupFile(name), null]),
      ),
      [taskFile('roads', WORKSPACE)]: null,
      [taskFile('late', WORKSPACE)]: null,
    });
    succeeds(await rig.pull());
    expect(await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/layergroups.json`)).to.deep.equal({
      layerGroups: '',
    });
    expect(await layerExists(rig, 'roads', WORKSPACE)).to.equal(false);
    expect(await layerExists(rig, 'hidden', WORKSPACE)).to.equal(true);
  });

  it('access rules of two listened channels are refused, both by name; of one they are in force', async () => {
    const [a, b] = ['dpaw/layers.properties', 'kmi/layers.properties'];
    await rig.commit({ [a]: `*.*.r=*\n${WORKSPACE}.*.r=A\n`, [b]: '*.*.r=B\n' });
    succeeds(await rig.pull());
    for (const path of [a, b])
      expect((await row(path))?.failure?.message)
        .to.include(a)
        .and.to.include(b);
    expect(await rig.geoserver.getJson('/rest/security/acl/layers.json')).to.not.include({ '*.*.r': 'B' });
    await rig.commit({ [b]: null });
    succeeds(await rig.pull());
    expect(await rig.geoserver.getJson('/rest/security/acl/layers.json')).to.include({
      [`${WORKSPACE}.*.r`]: 'A',
    });
    expect((await row(a))?.state).to.equal('done');
  });

  it('roles: parts in their databases, each a transaction; a database that is not allowed stops all; a privilege that is missing is named', async () => {
    const { name } = rig.slaveDatabase;
    const run = async (script: string): Promise<StatusRow | undefined> => {
      await rig.commit({ 'slave_roles.sql': script });
      succeeds(await rig.pull());
      return row('slave_roles.sql');
    };
    const tables = async (): Promise<unknown[]> =>
      (await rig.slaveDatabase.query("SELECT relname FROM pg_class WHERE relname LIKE 'roles_test%'")).map(
        (found) => found['relname'],
      );
    // A ";" and a "\connect" inside a string or a body split nothing.
    const body = `DO $$BEGIN RAISE NOTICE 'a; \\connect x'; END$$;`;
    const good = `\\connect postgres\nSELECT 1;\n\\connect ${name}\n${body}\nCREATE TABLE IF NOT EXISTS roles_test_a ();\n`;

    const refused = await run(`${good}\\connect elsewhere\nSELECT 1;\n`);
    expect(refused?.failure).to.include({ reason: 'invalid-task-file', retry: 'final' });
    expect(refused?.failure?.message).to.include('elsewhere').and.to.include('AUTH_DATABASES');
    expect(await tables()).to.deep.equal([]);

    const half = await run(
      `${good}\\connect postgres\nSELECT 2;\n\\connect ${name}\nCREATE TABLE roles_test_b ();\nSELECT no_such_column;\n`,
    );
    expect(half?.failure?.message).to.include('statement 2 of 2').and.to.include('SELECT no_such_column');
    expect(await tables()).to.deep.equal(['roles_test_a']);

    expect((await run(good))?.state).to.equal('done');
    await rig.slaveDatabase.query("CREATE ROLE groups_auth LOGIN PASSWORD 'auth'");
    await rig.configure({ AUTH_PGSQL_USERNAME: 'groups_auth', AUTH_PGSQL_PASSWORD: 'auth' });
    const denied = await run(`\\connect ${name}\nCREATE ROLE groups_other;\n`);
    expect(denied?.failure?.message)
      .to.include('permission denied')
      .and.to.include('CREATE ROLE groups_other');
    await rig.slaveDatabase.query('ALTER ROLE groups_auth CREATEROLE');
    succeeds(await rig.cli('retry', 'slave_roles.sql'));
    succeeds(await rig.cli('sync'));
    expect((await row('slave_roles.sql'))?.state).to.equal('done');
  });
});
