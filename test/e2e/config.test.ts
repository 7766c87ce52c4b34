import { expect } from 'chai';
import { chmod, copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIABLES, type VariableName } from '../../src/config/variables.js';
import { startGeoServer, type GeoServerStandIn } from '../support/geoserver/index.js';
import { startRemoteWms, type RemoteWms } from '../support/geoserver/remote-wms.js';
import { featureFiles, workspaceFiles } from '../support/master.js';
import { postgres } from '../support/postgres.js';
import { must, type CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';
import { rowsOf, succeeds } from './master.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** What this program has beyond the variables that operators' files hold today. */
const OF_ITS_OWN: readonly VariableName[] = [
  ...(['LOCAL_DATA_ROOT', 'CACHE_MAX_BYTES', 'PG_BIN_DIR', 'ON_FAILURE', 'GRACE_SECONDS'] as const),
  ...(['AUTH_DATABASES', 'AUTH_PGSQL_USERNAME', 'AUTH_PGSQL_PASSWORD', 'MAX_REMOVALS'] as const),
  'ALLOW_LOOPBACK_WMS',
  ...(['MAX_TRANSFERS_PER_HOST', 'MAX_RESTORES', 'MAX_CDN_REQUESTS'] as const),
  ...(['MAX_GEOSERVER_WRITERS', 'MAX_GEOSERVER_READERS', 'LOG_FORMAT', 'LOG_LEVEL'] as const),
];

const shown = new Set<VariableName>();

/** One row of the table: the variable, and what must be seen of it after its group's set-up. */
function row(variable: VariableName, what: string, see: () => Promise<void> | void): void {
  shown.add(variable);
  it(`${variable}: ${what}`, see);
}

interface Master {
  readonly name: string;
  readonly listen_channels: string;
  readonly code_version: string;
  readonly last_poll_time: Date | null;
}

async function slavesOf(rig: Rig, schema = 'public'): Promise<Master[]> {
  return rig.masterDatabase.query(`SELECT * FROM ${schema}.monitor_slaveserver`) as unknown as Promise<
    Master[]
  >;
}

async function exists(rig: Rig, path: string): Promise<boolean> {
  return (await rig.geoserver.getJson(`/rest/workspaces${path}.json`)) !== undefined;
}

async function hasSchema(rig: Rig, name: string): Promise<boolean> {
  const found = await rig.slaveDatabase.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [name]);
  return found.length > 0;
}

async function hasRole(rig: Rig, name: string): Promise<boolean> {
  return (await rig.slaveDatabase.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name])).length > 0;
}

/** Pulls without the hook, then runs. */
async function sync(rig: Rig): Promise<CommandOutcome> {
  await must('hg', ['pull', '-q', '--config', 'hooks.pretxnchangegroup.slave-sync='], rig.clone);
  return succeeds(await rig.cli('sync'));
}

/** An executable that notes its use and does what the command does. */
async function noting(name: string, command: string): Promise<{ file: string; uses: () => Promise<number> }> {
  const folder = await tempDir('bin');
  const [file, log] = [join(folder, name), join(folder, 'log')];
  await writeFile(log, '');
  await writeFile(file, `#!/bin/sh\necho used >>${log}\nexec ${command} "$@"\n`);
  await chmod(file, 0o755);
  return { file, uses: async () => (await readFile(log, 'utf8')).split('\n').length - 1 };
}

describe('each variable has its effect on a run', function () {
  this.timeout(240_000);

  describe('where everything goes', () => {
    let rig: Rig;
    let second: GeoServerStandIn;
    let remote: RemoteWms;
    let cdn: Cdn;
    let cachePath: string;
    let statePath: string;
    /** Requests that a GeoServer refused, in that run. */
    let refused: number;
    before(async () => {
      second = await startGeoServer({ username: 'second', password: 'its own' });
      remote = await startRemoteWms('src');
      cdn = await startCdn();
      [cachePath, statePath] = [join(await tempDir('cache'), 'files'), await tempDir('state')];
      rig = await makeRig();
      await rig.configure({
        SLAVE_NAME: 'a slave of its own',
        LISTEN_CHANNELS: 'dpaw, kmi',
        CODE_BRANCH: 'uat',
        GEOSERVER_URL: `${rig.geoserver.url}/,${second.url}`,
        GEOSERVER_USERNAME: `${rig.geoserver.username},second`,
        GEOSERVER_PASSWORD: `${rig.geoserver.password},its own`,
        GEOSERVER_PGSQL_SCHEMA: 'served',
        GEOSERVER_WORKSPACE_NAMESPACE: 'urn:{}:maps',
        GEOSERVER_DATASTORE_NAMESPACE: 'store_of_{}',
        GEOSERVER_DEFAULT_CRS: 'EPSG:3857',
        MASTER_PGSQL_SCHEMA: 'monitor',
        FEATURE_FILTER: "lambda job: job['name'] != 'hidden'",
        WMS_FILTER: "lambda job: job['name'] == 'taken'",
        LAYERGROUP_FILTER: "lambda job: job['name'].startswith('g')",
        CACHE_PATH: cachePath,
        SYNC_STATUS_PATH: statePath,
        FASTLY_PURGE_URL: `${cdn.url}/service/{}/purge/{{}}`,
        FASTLY_SERVICEID: 'maps',
        FASTLY_API_TOKEN: 'token',
        FASTLY_SURROGATE_KEY: '{}/{},all',
        FASTLY_SOFT_PURGE: 'On',
      });
      succeeds(await rig.cli('master', 'init'));
      const { slaveDatabase } = rig;
      await slaveDatabase.query(
        'CREATE SCHEMA served; CREATE TABLE served.plain AS SELECT 1 AS id, ST_Point(115, -32) AS wkb_geometry',
      );
      const wms = (name: string): string =>
        JSON.stringify({ action: 'publish', workspace: 'ws1', name, capability_url: remote.url });
      const group = (name: string): string =>
        JSON.stringify({
          ...{ action: 'publish', workspace: 'ws1', name, title: name, srs: 'EPSG:4326' },
          layers: [{ type: 'publish', name: 'roads', workspace: 'ws1' }],
        });
      await rig.commit({
        ...workspaceFiles('ws1'),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'roads' })),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'hidden' })),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'trails', channel: 'kmi' })),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'others', channel: 'else' })),
        'dpaw/layers/ws2.plain.json': JSON.stringify({
          ...{
            action: 'publish',
            workspace: 'ws2',
            name: 'plain',
            title: 'Plain',
            sync_postgres_data: false,
          },
          ...{ bbox: [114, -33, 116, -31], geoserver_setting: {} },
        }),
        'dpaw/wms_stores/ws1.taken.json': wms('taken'),
        'dpaw/wms_stores/ws1.left.json': wms('left'),
        'dpaw/layergroups/ws1.grouped.json': group('grouped'),
        'dpaw/layergroups/ws1.left.json': group('left'),
      });
      await sync(rig);
      const requests = [...(rig.geoserver.standIn?.requests ?? []), ...second.requests];
      refused = requests.filter(({ status }) => status === 401).length;
    });
    after(async () => {
      await cdn.close();
      await remote.close();
      await second.close();
      await rig.close();
    });

    const storeOf = async (workspace: string): Promise<Record<string, string>> => {
      const path = `/rest/workspaces/${workspace}/datastores/store_of_${workspace}.json`;
      const json = (await rig.geoserver.getJson(path)) as {
        dataStore: { connectionParameters: { entry: { '@key': string; $: string }[] } };
      };
      const { entry } = json.dataStore.connectionParameters;
      return Object.fromEntries(entry.map((one) => [one['@key'], one.$]));
    };

    row('SLAVE_NAME', 'the master knows the slave by it', async () => {
      expect((await slavesOf(rig, 'monitor')).map(({ name }) => name)).to.deep.equal(['a slave of its own']);
    });
    row('LISTEN_CHANNELS', 'what others publish is not for this slave', async () => {
      expect(await rowsOf(rig, 'ws1.trails')).to.equal(3);
      expect(await rowsOf(rig, 'ws1.others')).to.equal(undefined);
      expect((await slavesOf(rig, 'monitor'))[0]?.listen_channels).to.equal('dpaw,kmi');
    });
    row('CODE_BRANCH', 'the master sees it with the version', async () => {
      expect((await slavesOf(rig, 'monitor'))[0]?.code_version).to.match(/^\d+\.\d+\.\d+ \(uat\)$/);
    });
    row('GEOSERVER_URL', 'every server has the layers', async () => {
      expect(await exists(rig, '/ws1/datastores/store_of_ws1/featuretypes/roads')).to.equal(true);
      expect(
        second.requests.some(({ method, path }) => method === 'POST' && path.includes('featuretypes')),
      ).to.equal(true);
    });
    for (const variable of ['GEOSERVER_USERNAME', 'GEOSERVER_PASSWORD'] as const)
      row(variable, 'each server was asked with its own', async () => {
        expect(refused).to.equal(0);
        const wrong = await rig.exec('env', `${variable}=wrong`, process.execPath, CLI, 'doctor');
        expect(wrong.stdout).to.match(/401/);
      });
    row('GEOSERVER_DATA_DIR', 'one for each server or one for all, else nothing starts', async () => {
      const { code, stderr } = await rig.exec(
        'env',
        'GEOSERVER_DATA_DIR=/a,/b,/c',
        process.execPath,
        CLI,
        'sync',
      );
      expect([code, stderr.includes('GEOSERVER_DATA_DIR: has 3 items for 2 GeoServers')]).to.deep.equal([
        2,
        true,
      ]);
      const { stdout } = await rig.exec('env', 'GEOSERVER_DATA_DIR=/a,/b', process.execPath, CLI, 'config');
      expect(stdout).to.match(/^GEOSERVER_DATA_DIR +environment +\/a,\/b$/m);
    });
    for (const [variable, parameter] of [
      ['GEOSERVER_PGSQL_HOST', 'host'],
      ['GEOSERVER_PGSQL_PORT', 'port'],
      ['GEOSERVER_PGSQL_DATABASE', 'database'],
      ['GEOSERVER_PGSQL_USERNAME', 'user'],
    ] as const)
      row(variable, 'tables are restored there, and stores read from there', async () => {
        const { host, port, name, user } = rig.slaveDatabase;
        const expected = { host, port: String(port), database: name, user };
        expect((await storeOf('ws1'))[parameter]).to.equal(expected[parameter]);
        expect(await rowsOf(rig, 'ws1.roads')).to.equal(3);
      });
    row('GEOSERVER_PGSQL_PASSWORD', 'it opens the database, for the slave and for GeoServer', async () => {
      const posted = second.requests.find(
        ({ path, method }) => method === 'POST' && path.includes('/datastores'),
      );
      expect(posted?.body).to.include(rig.slaveDatabase.password);
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(3);
    });
    row('GEOSERVER_PGSQL_SCHEMA', 'the store of layers that name no schema', async () => {
      expect((await storeOf('ws2'))['schema']).to.equal('served');
      expect((await storeOf('ws1'))['schema']).to.equal('ws1');
    });
    row('GEOSERVER_WORKSPACE_NAMESPACE', 'the URI of every workspace', async () => {
      expect(JSON.stringify(await rig.geoserver.getJson('/rest/namespaces/ws1.json'))).to.include(
        'urn:ws1:maps',
      );
    });
    row('GEOSERVER_DATASTORE_NAMESPACE', 'the name of every data store', async () => {
      expect(await exists(rig, '/ws1/datastores/store_of_ws1')).to.equal(true);
      expect(await exists(rig, '/ws1/datastores/ws1_ds')).to.equal(false);
    });
    row('GEOSERVER_DEFAULT_CRS', 'the one of a layer that nothing else gives one', async () => {
      const path = (name: string, workspace: string): string =>
        `/rest/workspaces/${workspace}/datastores/store_of_${workspace}/featuretypes/${name}.json`;
      const srsOf = async (name: string, workspace: string): Promise<unknown> =>
        ((await rig.geoserver.getJson(path(name, workspace))) as { featureType: { srs: unknown } })
          .featureType.srs;
      expect([await srsOf('plain', 'ws2'), await srsOf('roads', 'ws1')]).to.deep.equal([
        'EPSG:3857',
        'EPSG:4326',
      ]);
    });
    row('FEATURE_FILTER', 'features that it does not take are not here', async () => {
      expect(await rowsOf(rig, 'ws1.hidden')).to.equal(undefined);
    });
    row('WMS_FILTER', 'nor are WMS stores', async () => {
      expect([
        await exists(rig, '/ws1/wmsstores/taken'),
        await exists(rig, '/ws1/wmsstores/left'),
      ]).to.deep.equal([true, false]);
    });
    row('LAYERGROUP_FILTER', 'nor are groups', async () => {
      expect([
        await exists(rig, '/ws1/layergroups/grouped'),
        await exists(rig, '/ws1/layergroups/left'),
      ]).to.deep.equal([true, false]);
    });
    row('CACHE_PATH', 'fetched files lie there', async () => {
      expect(await readdir(cachePath)).to.include.members(['ws1.roads.db', 'meta']);
      expect(await readdir(join(rig.clone, 'code'))).to.deep.equal(['.env']);
    });
    row('SYNC_STATUS_PATH', 'the record lies there', async () => {
      expect(await readdir(statePath)).to.include('record.db');
    });
    row('FASTLY_PURGE_URL', 'purges go there', () => {
      expect(cdn.requests.map(({ method }) => method)).to.include('POST');
    });
    row('FASTLY_SERVICEID', 'is part of the address', () => {
      expect(cdn.requests.every(({ path }) => path.startsWith('/service/maps/purge/'))).to.equal(true);
    });
    row('FASTLY_SURROGATE_KEY', 'each key of each layer is purged', () => {
      const keys = cdn.requests.map(({ path }) =>
        decodeURIComponent(path.slice('/service/maps/purge/'.length)),
      );
      expect(keys).to.include.members(['ws1/roads', 'ws1/trails', 'all']);
    });
    row('FASTLY_API_TOKEN', 'goes with every purge', () => {
      expect(new Set(cdn.requests.map(({ headers }) => headers['fastly-key']))).to.deep.equal(
        new Set(['token']),
      );
    });
    row('FASTLY_SOFT_PURGE', 'marks as stale', () => {
      expect(new Set(cdn.requests.map(({ headers }) => headers['fastly-soft-purge']))).to.deep.equal(
        new Set(['1']),
      );
    });

    /** Whether the master hears of a poll under these settings. */
    async function isReported(...env: readonly string[]): Promise<boolean> {
      const polled = async (): Promise<number> =>
        (await slavesOf(rig, 'monitor'))[0]?.last_poll_time?.getTime() ?? 0;
      const before = await polled();
      await rig.exec('env', ...env, process.execPath, CLI, 'poll', '--once');
      return (await polled()) > before;
    }
    for (const [variable, other] of [
      ['MASTER_PGSQL_HOST', '127.0.0.254'],
      ['MASTER_PGSQL_PORT', '1'],
      ['MASTER_PGSQL_DATABASE', 'template1'],
      ['MASTER_PGSQL_SCHEMA', 'public'],
      ['MASTER_PGSQL_USERNAME', 'nobody_knows'],
      ['MASTER_PGSQL_PASSWORD', 'wrong'],
    ] as const)
      row(variable, 'with another one the master hears nothing', async () => {
        expect(await isReported(`${variable}=${other}`)).to.equal(false);
        if (variable === 'MASTER_PGSQL_PASSWORD') expect(await isReported('DEBUG=false')).to.equal(true);
      });
  });

  describe('what is left out', () => {
    let rig: Rig;
    const ROLE = 'made_unless_skipped';
    before(async () => {
      rig = await makeRig({ env: { SKIP_DB: 'true', SKIP_RULES: 'YES' } });
      await rig.commit({
        ...workspaceFiles('ws1'),
        'dpaw/layers.properties': '*.*.r=*\nws1.*.r=READERS\n',
        'slave_roles.sql': `DO $$BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '${ROLE}') THEN CREATE ROLE ${ROLE}; END IF; END$$;\n`,
      });
      await sync(rig);
    });
    after(async () => {
      await rig.slaveDatabase.query(`DROP ROLE IF EXISTS ${ROLE}`);
      await rig.close();
    });
    const rules = async (): Promise<string> =>
      JSON.stringify(await rig.geoserver.getJson('/rest/security/acl/layers.json'));

    row('SKIP_DB', 'GeoServer has the workspace, the database nothing of it', async () => {
      expect([await exists(rig, '/ws1'), await hasSchema(rig, 'ws1')]).to.deep.equal([true, false]);
    });
    row('SKIP_RULES', 'GeoServer keeps its rules', async () => {
      expect(await rules()).not.to.include('READERS');
    });
    row('SKIP_GS', 'the database has the workspace, GeoServer nothing of it', async () => {
      await rig.configure({ SKIP_DB: 'off', SKIP_GS: 'On', SKIP_AUTH: 'true' });
      await rig.commit(workspaceFiles('ws2'));
      await sync(rig);
      expect([await exists(rig, '/ws2'), await hasSchema(rig, 'ws2')]).to.deep.equal([false, true]);
      expect(await hasSchema(rig, 'ws1')).to.equal(true);
    });
    row('SKIP_AUTH', 'the roles are not made', async () => {
      expect(await hasRole(rig, ROLE)).to.equal(false);
    });
    it('switched off, all of it comes', async () => {
      await rig.configure({ SKIP_GS: 'no', SKIP_AUTH: 'false', SKIP_RULES: '' });
      await sync(rig);
      expect([await exists(rig, '/ws2'), await hasRole(rig, ROLE)]).to.deep.equal([true, true]);
      expect(await rules()).to.include('READERS');
    });
  });

  describe('what is shared with the master and among servers', () => {
    let rig: Rig;
    let replica: GeoServerStandIn;
    before(async () => {
      rig = await makeRig({
        // Whatever goes over ssh fails.
        env: { SHARE_LAYER_DATA: 'true', SHARE_PREVIEW_DATA: 'true', BORG_SSH: '/bin/false' },
      });
      replica = await startGeoServer(
        rig.geoserver.standIn === undefined ? {} : { sharesDataOf: rig.geoserver.standIn },
      );
      await rig.configure({
        GEOSERVER_URL: `${rig.geoserver.url},${replica.url}`,
        GEOSERVER_SHARING_DATA_DIR: 'yes',
      });
      const preview_path = `${rig.remote}/var/previews/`;
      await rig.commit({
        ...workspaceFiles('ws1'),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'roads', meta: { preview_path } })),
      });
      await sync(rig);
    });
    after(async () => {
      await replica.close();
      await rig.close();
    });

    row('SHARE_LAYER_DATA', 'the master’s files are read in place', async () => {
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(3);
      expect((await readdir(join(rig.clone, 'code'))).sort()).to.deep.equal([
        '.env',
        '.sync_status',
        'previews',
      ]);
    });
    row('SHARE_PREVIEW_DATA', 'previews are drawn and not sent', async () => {
      const png = await stat(join(rig.clone, 'code/previews/rig/dpaw/ws1/roads.png'));
      expect(png.size).to.be.greaterThan(0);
    });
    row('GEOSERVER_SHARING_DATA_DIR', 'all but the first server only read the catalog again', () => {
      const writes = replica.requests.filter(({ method }) => method !== 'GET');
      expect(writes.map(({ method, path }) => `${method} ${path}`)).to.deep.equal(['POST /rest/reload']);
    });
  });

  describe('how a run goes', () => {
    let rig: Rig;
    before(async () => {
      rig = await makeRig({ env: { INCLUDE: 'dpaw/workspaces/ws1.json,slave_roles.sql' } });
      succeeds(await rig.cli('init'));
      await rig.commit({ ...workspaceFiles('ws1'), ...workspaceFiles('ws2') });
    });
    after(async () => rig.close());

    row('ROLLBACK', 'everything is done, then the pull is refused', async () => {
      await rig.configure({ ROLLBACK: 'true' });
      const { code, stdout } = await rig.pull();
      expect(code).to.equal(255);
      expect(stdout)
        .to.match(/1 done, 0 failed/)
        .and.to.include('ROLLBACK is on');
      expect(await hasSchema(rig, 'ws1')).to.equal(true);
      await rig.configure({ ROLLBACK: 'false' });
      succeeds(await rig.pull());
    });
    row('INCLUDE', 'only these files count', async () => {
      expect(await hasSchema(rig, 'ws2')).to.equal(false);
      await rig.configure({ INCLUDE: '' });
      succeeds(await rig.cli('sync'));
      expect(await hasSchema(rig, 'ws2')).to.equal(true);
    });
    row('DEBUG', 'everything is logged', async () => {
      const [quiet, talkative] = [
        await rig.cli('poll', '--once'),
        await rig.exec('env', 'DEBUG=yes', process.execPath, CLI, 'poll', '--once'),
      ];
      expect([/debug/i.test(quiet.stderr), /debug/i.test(talkative.stderr)]).to.deep.equal([false, true]);
    });
  });

  describe('the state repository', () => {
    let rig: Rig;
    let ssh: string;
    before(async () => {
      ({ sshCommand: ssh } = await sshd());
      rig = await makeRig({ reach: 'ssh' });
      await rig.commit({
        ...workspaceFiles('ws1'),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'roads' })),
      });
    });
    after(async () => rig.close());

    row('BORG_SSH', 'the repository and the files are fetched with it', async () => {
      const both = await noting('both', ssh);
      await rig.configure({ BORG_SSH: both.file });
      succeeds(await rig.cli('poll', '--once'));
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(3);
      expect(await both.uses()).to.be.greaterThan(1);
    });
    it('BORG_STATE_SSH and BORGCOLLECTOR_SSH come before BORG_SSH', async () => {
      const [state, data] = [await noting('state', ssh), await noting('data', ssh)];
      await rig.configure({
        BORG_SSH: '/bin/false',
        BORG_STATE_SSH: state.file,
        BORGCOLLECTOR_SSH: data.file,
      });
      succeeds(await rig.cli('poll', '--once'));
      uses = [await state.uses(), await data.uses()];
      await rig.commit(await featureFiles(rig, { workspace: 'ws1', name: 'rivers' }));
      succeeds(await rig.cli('poll', '--once'));
      expect(await rowsOf(rig, 'ws1.rivers')).to.equal(3);
      later = [await state.uses(), await data.uses()];
    });
    let uses: number[] = [];
    let later: number[] = [];
    row('BORG_STATE_SSH', 'is used for the repository alone: also where no file is fetched', () => {
      expect(uses[0]).to.be.greaterThan(0);
      expect(later[0]).to.be.greaterThan(uses[0] ?? 0);
    });
    row('BORGCOLLECTOR_SSH', 'is used for files alone', () => {
      expect([uses[1], (later[1] ?? 0) > 0]).to.deep.equal([0, true]);
    });
    row('STATE_BRANCH', 'is the branch that is followed', async () => {
      await must('hg', ['branch', '-q', 'release'], rig.upstream);
      await rig.commit(workspaceFiles('ws9'));
      succeeds(await rig.cli('poll', '--once'));
      expect(await hasSchema(rig, 'ws9')).to.equal(false);
      await rig.configure({ STATE_BRANCH: 'release' });
      succeeds(await rig.cli('poll', '--once'));
      expect(await hasSchema(rig, 'ws9')).to.equal(true);
    });
    row('STATE_REPOSITORY_ROOT', 'is found from everywhere, with its code/.env', async () => {
      const away = (...env: readonly string[]): Promise<CommandOutcome> =>
        rig.exec('env', '--chdir=/', ...env, process.execPath, CLI, 'sync');
      expect((await away()).code).to.equal(2);
      succeeds(await away(`STATE_REPOSITORY_ROOT=${rig.clone}`));
    });
    row('POLL_INTERVAL', 'seconds between two pulls', async () => {
      const env = ['POLL_INTERVAL=1', 'DEBUG=true'];
      const { stderr } = await rig.exec('env', ...env, 'timeout', '8', process.execPath, CLI, 'poll');
      // The default would end the first one only.
      expect(stderr.match(/poll ended/g)?.length ?? 0).to.be.greaterThan(1);
    });
  });

  describe('a peer instead of the master', () => {
    let rig: Rig;
    let peer: string;
    before(async () => {
      const { user, host } = await sshd();
      peer = await tempDir('peer');
      rig = await makeRig({
        env: { SYNC_SERVER: `${user}@${host}`, SYNC_PATH: peer, FEATURE_FILTER: 'lambda job: True' },
      });
      await rig.commit({
        ...workspaceFiles('ws1'),
        ...(await featureFiles(rig, { workspace: 'ws1', name: 'roads' })),
      });
    });
    after(async () => rig.close());

    row('SYNC_SERVER', 'data come from there, not from the master', async () => {
      await must('hg', ['pull', '-q'], rig.clone);
      const { code, stdout } = await rig.cli('sync');
      expect(code).to.equal(1);
      expect(stdout).to.include('does not have it yet');
    });
    row('SYNC_PATH', 'is the folder there', async () => {
      await copyFile(join(rig.dataRoot, 'full_data/dpaw/ws1/roads.db'), join(peer, 'ws1.roads.db'));
      await sync(rig);
      expect(await rowsOf(rig, 'ws1.roads')).to.equal(3);
    });
  });

  it('and none of those that operators have is missing here', () => {
    const operators = VARIABLES.map(({ name }) => name).filter((name) => !OF_ITS_OWN.includes(name));
    expect([...shown].sort()).to.deep.equal(operators.sort());
  });
});

describe("the operators' documented .env with every variable set", function () {
  this.timeout(240_000);
  const ROLES = { borg: 'p$w"#x', slave: 'm@ster' } as const;
  let rig: Rig;
  let servers: readonly GeoServerStandIn[];
  let remote: RemoteWms;
  let lines: string[];

  before(async () => {
    servers = await Promise.all([
      startGeoServer({ password: 'se#cret "1"' }),
      startGeoServer({ password: 'se\\cret 2' }),
    ]);
    remote = await startRemoteWms('src');
    rig = await makeRig({ reach: 'ssh' });
    const { slaveDatabase: database, masterDatabase: master } = rig;
    for (const [role, password] of Object.entries(ROLES))
      await database.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${password}'`);
    const { user, host, sshCommand } = await sshd();
    const here: Readonly<Record<string, string>> = {
      SYNC_SERVER: `${user}@${host}`,
      SYNC_PATH: await tempDir('peer'),
      BORG_SSH: sshCommand,
      GEOSERVER_URL: servers.map(({ url }) => url).join(','),
      GEOSERVER_PGSQL_HOST: database.host,
      GEOSERVER_PGSQL_PORT: String(database.port),
      GEOSERVER_PGSQL_DATABASE: database.name,
      MASTER_PGSQL_HOST: master.host,
      MASTER_PGSQL_PORT: String(master.port),
      MASTER_PGSQL_DATABASE: master.name,
    };
    const documented = await readFile(new URL('../config/fixtures/documented.env', import.meta.url), 'utf8');
    // All as the operators' file has it, but for what has to be on this machine.
    lines = documented.split('\n').map((line) => {
      const name = line.split('=')[0] ?? '';
      return here[name] === undefined ? line : `${name}="${here[name]}"`;
    });
    await writeSettings();
    succeeds(await rig.cli('master', 'init'));
    succeeds(await rig.cli('init'));

    const peer = here['SYNC_PATH'] ?? '';
    const roads = await featureFiles(rig, { workspace: 'kmi', name: 'roads', channel: 'kmi' });
    const closed = await featureFiles(rig, { workspace: 'kmi', name: 'closed', meta: { auth_level: 2 } });
    await copyFile(join(rig.dataRoot, 'full_data/kmi/kmi/roads.db'), join(peer, 'roads.tar'));
    const wms = (workspace: string): string =>
      JSON.stringify({ action: 'publish', workspace, name: 'cascaded', capability_url: remote.url });
    const group = (name: string): string =>
      JSON.stringify({
        ...{ action: 'publish', workspace: 'kmi', name, title: name },
        layers: [{ type: 'publish', name: 'roads', workspace: 'kmi' }],
      });
    await rig.commit({
      ...workspaceFiles('kmi', {}, 'kmi'),
      ...roads,
      ...closed,
      'kmi/wms_stores/kmi.cascaded.json': wms('kmi'),
      'kmi/wms_stores/dpaw.cascaded.json': wms('dpaw'),
      'kmi/layergroups/kmi.tmp_one.json': group('tmp_one'),
      'kmi/layergroups/kmi.one.json': group('one'),
      'kmi/layers.properties': '*.*.r=*\n',
      'slave_roles.sql': 'CREATE ROLE never_made;\n',
    });
  });
  after(async () => {
    await remote.close();
    for (const server of servers) await server.close();
    await rig.close();
    const other = await (await postgres()).createDatabase();
    for (const role of Object.keys(ROLES)) await other.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await other.drop();
  });

  async function writeSettings(): Promise<void> {
    await writeFile(join(rig.clone, 'code/.env'), lines.join('\n'), { mode: 0o600 });
  }

  it('is taken as it is: every variable of the documentation comes from the file', async () => {
    const { stdout } = succeeds(await rig.cli('config', '--json'));
    const { settings } = JSON.parse(stdout) as { settings: { variable: string; source: string }[] };
    const documented = lines.flatMap((line) => /^([A-Z_]+)=/.exec(line)?.[1] ?? []);
    const fromFile = settings.filter(({ source }) => source === 'file').map(({ variable }) => variable);
    expect(fromFile.sort()).to.deep.equal(documented.sort());
  });

  it('with everything to be skipped, touches nothing and tells the master', async () => {
    succeeds(await rig.pull());
    expect(await hasSchema(rig, 'kmi')).to.equal(false);
    expect(await hasRole(rig, 'never_made')).to.equal(false);
    expect(
      servers.flatMap(({ requests }) => requests.filter(({ method }) => method !== 'GET')),
    ).to.deep.equal([]);
    expect((await slavesOf(rig, 'monitor')).map(({ name }) => name)).to.deep.equal(['portable_slave_rocky']);
  });

  it('with database and GeoServer not skipped, publishes on both servers what the filters take', async () => {
    lines = lines.map((line) => line.replace(/^(SKIP_DB|SKIP_GS)=true$/, '$1=no'));
    // The server that is cascaded here is on this machine.
    lines.push('ALLOW_LOOPBACK_WMS=true');
    await writeSettings();
    succeeds(await rig.cli('sync'));
    expect(await rowsOf(rig, 'kmi.roads')).to.equal(3);
    expect(await rowsOf(rig, 'kmi.closed')).to.equal(undefined);
    for (const { requests } of servers) {
      const made = requests.filter(({ method, status }) => method === 'POST' && status === 201);
      const bodies = made.map(({ body }) => body).join('\n');
      for (const name of ['roads', 'cascaded', 'tmp_one']) expect(bodies).to.include(name);
      expect(made.filter(({ path }) => path.includes('/layergroups'))).to.have.length(1);
      expect(made.filter(({ path }) => path.includes('/wmsstores'))).to.have.length(1);
      expect(requests.filter(({ status }) => status === 401)).to.deep.equal([]);
    }
    expect(await hasRole(rig, 'never_made')).to.equal(false);
  });
});

interface Cdn {
  readonly url: string;
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
  }[];
  close(): Promise<void>;
}

async function startCdn(): Promise<Cdn> {
  const requests: Cdn['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    response.end('{"status": "ok"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, requests, close };
}
