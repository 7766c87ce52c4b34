import { expect } from 'chai';
import { chmod, chown, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, State } from '../../src/doctor/check.js';
import { sha256 } from '../../src/lib/hash.js';
import type { GeoServerStandIn } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';

interface Report {
  readonly findings: readonly Finding[];
  readonly code: number;
}

const WRONG = 'marked-wrong-password';

describe('slave-sync doctor', function () {
  this.timeout(120_000);
  let rig: Rig;
  let ssh: string;

  before(async () => {
    rig = await makeRig({ reach: 'ssh' });
    await rig.commit({
      ...workspaceFiles('town'),
      ...(await featureFiles(rig, {
        workspace: 'town',
        name: 'trees',
        styles: { builtin: pointStyle('Trees') },
      })),
    });
    expect(await rig.exec('hg', 'pull', '-q')).to.include({ code: 0 });
    expect(await rig.cli('init')).to.include({ code: 0 });
    expect(await rig.cli('master', 'init')).to.include({ code: 0 });
  });
  after(() => rig.close());

  async function doctor(env: Readonly<Record<string, string>> = {}): Promise<Report> {
    await rig.configure(env);
    const { code, stdout, stderr } = await rig.cli('doctor', '--json');
    expect(stdout + stderr).not.to.contain(WRONG);
    try {
      return { ...(JSON.parse(stdout) as Report), code };
    } catch (error) {
      throw new Error(`no report: ${stdout}${stderr}`, { cause: error });
    }
  }

  /** Checks do not depend on each other, so that many things can be wrong in one run. */
  async function expectFindings(
    env: Readonly<Record<string, string>>,
    expected: readonly (readonly [name: string, state: State, says: string | RegExp])[],
  ): Promise<void> {
    const { findings, code } = await doctor(env);
    for (const [name, state, says] of expected) {
      const texts = findings
        .filter((finding) => finding.name.startsWith(name) && finding.state === state)
        .map(({ message, hint = '' }) => `${message} → ${hint}`);
      const fits = texts.some((text) => (typeof says === 'string' ? text.includes(says) : says.test(text)));
      expect(fits, `${name} ${state} ${String(says)} in ${JSON.stringify(findings, null, 2)}`).to.equal(true);
    }
    expect(code).to.equal(expected.some(([, state]) => state === 'failed') ? 1 : 0);
  }

  /** Whatever the settings of a test, the next one starts from good ones. */
  beforeEach(async () => {
    ssh = (await sshd()).sshCommand;
    const { slaveDatabase: slave, masterDatabase: master } = rig;
    await rig.configure({
      BORG_SSH: ssh,
      GEOSERVER_URL: rig.geoserver.url,
      GEOSERVER_PASSWORD: rig.geoserver.password,
      GEOSERVER_PGSQL_USERNAME: slave.user,
      GEOSERVER_PGSQL_PASSWORD: slave.password,
      GEOSERVER_PGSQL_PORT: String(slave.port),
      MASTER_PGSQL_SCHEMA: 'public',
      MASTER_PGSQL_USERNAME: master.user,
      MASTER_PGSQL_PASSWORD: master.password,
      LISTEN_CHANNELS: 'dpaw',
      ...{ FEATURE_FILTER: '', SYNC_STATUS_PATH: '', CACHE_PATH: '', AUTH_DATABASES: '', PG_BIN_DIR: '' },
    });
  });
  const lenient = (command: string): string =>
    command.replace('StrictHostKeyChecking=yes', 'StrictHostKeyChecking=no');
  const knowing = (command: string, file: string): string =>
    command.replace(/UserKnownHostsFile=\S+/, `UserKnownHostsFile=${file}`);

  it('finds nothing wrong before a first run, in seconds', async () => {
    const begin = performance.now();
    const { code, findings } = await doctor();
    expect(performance.now() - begin).to.be.below(15_000);
    const bad = findings.filter(({ state }) => state === 'failed' || state === 'warning');
    expect(bad).to.deep.equal([]);
    expect(code).to.equal(0);
    const names = findings.map(({ name }) => name.replace(/^(key|host|geoserver) .*/, '$1'));
    expect(names).to.deep.equal([
      ...[
        'repository',
        'settings',
        'node',
        'hg',
        'rsync',
        'ssh',
        'upstream',
        'clone',
        'hook',
        'state',
        'cache',
      ],
      ...['key', 'host', 'database', 'postgis', 'pg_restore', 'geoserver', 'master', 'clock'],
      ...['FEATURE_FILTER', 'WMS_FILTER', 'LAYERGROUP_FILTER'],
    ]);
  });

  it('says it in lines for people, too', async () => {
    const { code, stdout, stderr } = await rig.cli('doctor');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^ok {7}postgis: 3\./m);
    // Node's own warnings are none of a person's business.
    expect(stderr).not.to.include('MaxListeners');
  });

  it('changes nothing: no file, no table, no object, no known host', async () => {
    const knownHosts = join(await tempDir('hosts'), 'known_hosts');
    await rig.configure({ BORG_SSH: lenient(knowing(ssh, knownHosts)) });
    rig.geoserver.standIn?.requests.splice(0);
    const before = await everything(rig);
    expect((await rig.cli('doctor')).code).to.equal(0);
    expect(await everything(rig)).to.deep.equal(before);
    expect(await exists(knownHosts)).to.equal(false);
    const written = rig.geoserver.standIn?.requests.filter(({ method }) => method !== 'GET');
    expect(written ?? []).to.deep.equal([]);
  });

  it('names all that is wrong with the settings, and ends with 1', async () => {
    const { code, findings } = await doctor({ GEOSERVER_PGSQL_PORT: 'many', LISTEN_CHANNELS: '../x' });
    expect(code).to.equal(1);
    expect(findings).to.have.length(1);
    expect(findings[0]?.message).to.contain('GEOSERVER_PGSQL_PORT').and.to.contain('LISTEN_CHANNELS');
  });

  it('refuses to trust an environment file that the repository tracks', async () => {
    const own = await makeRig();
    await own.commit({ 'code/.env': await readFile(join(own.clone, 'code/.env')) });
    await own.exec('hg', 'pull', '-q');
    const { code, stdout } = await own.cli('doctor', '--json');
    await own.close();
    expect(code).to.equal(1);
    const [first] = (JSON.parse(stdout) as Report).findings;
    expect(first).to.include({ name: 'repository', state: 'failed' });
    expect(first?.message).to.contain('is tracked by the state repository');
  });

  it('tells servers that are down, a host that is not known, and folders that cannot be made', async () => {
    const file = join(await tempDir('file'), 'file');
    await writeFile(file, '');
    await expectFindings(
      {
        BORG_SSH: knowing(ssh, '/dev/null'),
        GEOSERVER_PGSQL_PORT: '1',
        GEOSERVER_URL: 'http://127.0.0.1:1/geoserver',
        MASTER_PGSQL_SCHEMA: 'elsewhere',
        SYNC_STATUS_PATH: '/proc/nowhere/status',
        CACHE_PATH: file,
      },
      [
        ['upstream', 'failed', 'Host key verification failed'],
        ['host ', 'failed', 'slave-sync pin-host'],
        ['database', 'failed', 'ECONNREFUSED'],
        ['postgis', 'skipped', 'cannot be asked'],
        ['pg_restore', 'skipped', 'cannot be asked'],
        ['geoserver', 'failed', 'ECONNREFUSED'],
        ['master', 'failed', 'slave-sync master init'],
        ['state', 'failed', 'SYNC_STATUS_PATH'],
        ['cache', 'failed', 'is no folder'],
      ],
    );
  });

  it('tells wrong passwords, and what others could look into', async () => {
    const open = join(await tempDir('open'), 'status');
    await mkdir(open, { mode: 0o755 });
    const hgrc = join(rig.clone, '.hg/hgrc');
    const before = await readFile(hgrc, 'utf8');
    await writeFile(hgrc, before.replace(/^pretxnchangegroup.*$/m, ''));
    await chmod(join(rig.clone, 'code/.env'), 0o644);
    try {
      await expectFindings(
        {
          BORG_SSH: lenient(knowing(ssh, '/dev/null')),
          GEOSERVER_PGSQL_PASSWORD: WRONG,
          GEOSERVER_PASSWORD: WRONG,
          MASTER_PGSQL_PASSWORD: WRONG,
          SYNC_STATUS_PATH: open,
        },
        [
          ['settings', 'warning', 'chmod 600'],
          ['upstream', 'warning', 'host key is not known'],
          ['host ', 'warning', 'host key is not known'],
          ['hook', 'warning', 'slave-sync init'],
          ['state', 'warning', 'chmod go='],
          ['database', 'failed', 'password authentication failed'],
          ['geoserver', 'failed', 'GEOSERVER_PASSWORD'],
          ['master', 'failed', 'password authentication failed'],
        ],
      );
    } finally {
      await writeFile(hgrc, before);
      await chmod(join(rig.clone, 'code/.env'), 0o600);
    }
  });

  it('tells settings of the repository that Mercurial does not trust, so that no hook runs', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const hgrc = join(rig.clone, '.hg/hgrc');
    await chown(hgrc, 65_534, 65_534);
    try {
      await expectFindings({}, [['hook', 'failed', 'not trusting file']]);
    } finally {
      await chown(hgrc, 0, 0);
    }
  });

  it('finds nothing wrong with a git clone either', async () => {
    const own = await makeRig({ vcs: 'git', reach: 'ssh' });
    await own.commit(workspaceFiles('town'));
    await own.exec('git', 'fetch', '-q');
    expect((await own.cli('init')).code).to.equal(0);
    expect((await own.cli('master', 'init')).code).to.equal(0);
    const pulled = await own.cli('doctor');
    await own.commit(workspaceFiles('city'));
    const behind = await own.cli('doctor');
    await own.close();
    expect(pulled.code, pulled.stdout).to.equal(0);
    expect(pulled.stdout)
      .to.match(/^ok {7}git: /m)
      .and.to.match(/^ok {7}upstream: nothing new/m);
    expect(behind.stdout).to.match(/^ok {7}upstream: there is a newer revision/m);
  });

  describe('with a database role', () => {
    const role = 'doctor_test';
    const asRole = { GEOSERVER_PGSQL_USERNAME: role, GEOSERVER_PGSQL_PASSWORD: 'secret of the doctor' };
    before(async () => {
      await rig.slaveDatabase.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret of the doctor'`);
      await rig.slaveDatabase.query('CREATE SCHEMA town_data; DROP EXTENSION postgis');
    });
    after(async () => {
      await rig.slaveDatabase.query('DROP SCHEMA town_data; CREATE EXTENSION postgis');
      await rig.slaveDatabase.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });

    it('names every right that is missing, with the statement that gives it', async () => {
      const missing = join(await tempDir('key'), 'key');
      const { dir } = await sshd();
      const grants = [
        `GRANT CREATE ON DATABASE "${rig.slaveDatabase.name}" TO "${role}";`,
        `ALTER ROLE "${role}" CREATEROLE;`,
      ];
      await expectFindings(
        {
          ...asRole,
          BORG_SSH: ssh.replace(join(dir, 'client_key'), missing),
          MASTER_PGSQL_USERNAME: role,
          MASTER_PGSQL_PASSWORD: 'secret of the doctor',
          AUTH_DATABASES: 'no_such_database',
          PG_BIN_DIR: '/nonexistent',
        },
        [
          ['key ', 'failed', 'ENOENT'],
          ...grants.map((grant) => ['database', 'failed', grant] as const),
          ['database', 'failed', 'town_data → For each'],
          ['database', 'warning', 'no_such_database'],
          ['postgis', 'failed', 'as a superuser: CREATE EXTENSION postgis'],
          ['pg_restore', 'failed', 'PG_BIN_DIR'],
          ['master', 'failed', 'may not read, add, change and delete rows'],
        ],
      );
      for (const statement of grants) await rig.slaveDatabase.query(statement);
      await rig.slaveDatabase.query(`ALTER SCHEMA town_data OWNER TO ${role}`);
      await expectFindings({ ...asRole, AUTH_DATABASES: '', PG_BIN_DIR: '' }, [
        ['database', 'ok', `${role} at`],
        ['postgis', 'failed', 'as a superuser'],
        ['pg_restore', 'ok', 'for server'],
      ]);
    });

    it('lets a superuser install PostGIS with the first run', async () => {
      await expectFindings({ MASTER_PGSQL_USERNAME: '' }, [
        ['postgis', 'ok', 'by the first run'],
        ['master', 'skipped', 'nothing is reported'],
      ]);
    });
  });

  describe('with a GeoServer that is not as it should be', () => {
    before(function () {
      if (rig.geoserver.standIn === undefined) this.skip();
    });
    const standIn = (): GeoServerStandIn => rig.geoserver.standIn!;
    const fails = (status: number, part: string): void => {
      standIn().faults.push({ kind: 'status', status, applies: ({ path }) => path.includes(part) });
    };
    afterEach(() => {
      standIn().faults.splice(0);
      standIn().catalog.removeWorkspace('town');
    });

    it('finds what was left half made, a changed host key, and a key that others can read', async () => {
      const { dir, host, port } = await sshd();
      const known = join(await tempDir('hosts'), 'known_hosts');
      const other = (await readFile(join(dir, 'client_key.pub'), 'utf8')).split(' ')[1] ?? '';
      await writeFile(known, `[${host}]:${port} ssh-ed25519 ${other}\n`);
      standIn().catalog.addWorkspace('town', 'http://town');
      const store = { type: 'dataStore', name: 'town_ds', fields: {} } as const;
      standIn().catalog.workspaces.get('town')?.stores.set('town_ds', store);
      fails(404, '/rest/namespaces/town');
      fails(404, 'list=all');
      fails(400, '/gwc/service/wmts');
      await expectFindings({ BORG_SSH: lenient(knowing(ssh, known)) }, [
        ['host ', 'failed', 'its host key has changed'],
        ['geoserver', 'failed', 'town is half made'],
        ['geoserver', 'failed', 'town:town_ds cannot be opened'],
        ['geoserver', 'failed', 'tile service'],
      ]);

      const key = join(await tempDir('key'), 'key');
      await copyFile(join(dir, 'client_key'), key);
      await chmod(key, 0o644);
      const withKey = ssh.replace(join(dir, 'client_key'), key);
      await expectFindings({ BORG_SSH: withKey }, [['key ', 'failed', `chmod 600 ${key}`]]);
      await copyFile(join(dir, 'host_key'), key);
      await chmod(key, 0o600);
      await expectFindings({ BORG_SSH: withKey }, [['host ', 'failed', 'authorized_keys']]);
    });

    it('gives up on one that does not answer', async () => {
      standIn().faults.push({ kind: 'hang' });
      const begin = performance.now();
      await expectFindings({ LISTEN_CHANNELS: 'nothing' }, [
        ['repository', 'warning', 'LISTEN_CHANNELS'],
        ['geoserver', 'failed', /no answer within|was stopped/],
      ]);
      expect(performance.now() - begin).to.be.below(30_000);
    });
  });

  describe('of filters', () => {
    it('judges them once meta files are here, and warns of one that takes nothing', async () => {
      await expectFindings({}, [['FEATURE_FILTER', 'ok', '1 more when their meta files']]);
      expect((await rig.cli('sync')).code).to.equal(0);
      await expectFindings({}, [['FEATURE_FILTER', 'ok', 'takes 2 of 2']]);
      await expectFindings({ FEATURE_FILTER: "lambda job: job.get('allow_authenticated')" }, [
        ['FEATURE_FILTER', 'warning', 'takes 0 of 2'],
      ]);
      await expectFindings({ FEATURE_FILTER: "lambda job: job['missing']" }, [
        ['FEATURE_FILTER', 'failed', 'slave-sync filter test'],
      ]);
    });
  });
});

describe('slave-sync doctor, of a GeoServer that has lost something', function () {
  this.timeout(120_000);
  let rig: Rig;
  const TREES = 'dpaw/layers/town.trees.json';
  before(async function () {
    rig = await makeRig();
    if (rig.geoserver.standIn === undefined) this.skip();
    const roads = await featureFiles(rig, { workspace: 'town', name: 'roads' });
    const trees = await featureFiles(rig, { workspace: 'town', name: 'trees' });
    await rig.commit({ ...workspaceFiles('town'), ...trees, ...roads });
    await rig.exec('hg', 'pull', '-q');
    expect(await rig.cli('sync')).to.include({ code: 0 });
  });
  afterEach(() => rig.geoserver.standIn?.faults.splice(0));
  after(() => rig.close());

  const town = () => rig.geoserver.standIn!.catalog.workspaces.get('town')!;
  /** What is wrong with the GeoServer, and how it is mended. */
  async function found(): Promise<string[]> {
    const { findings } = JSON.parse((await rig.cli('doctor', '--json')).stdout) as Report;
    const own = findings.filter(({ name, state }) => name.startsWith('geoserver') && state === 'failed');
    return own.map(({ message, hint = '' }) => `${message} → ${hint}`);
  }

  it('finds nothing when nothing is lost, with few requests', async () => {
    const { requests } = rig.geoserver.standIn!;
    requests.splice(0);
    expect(await found()).to.deep.equal([]);
    expect(requests.length).to.be.at.most(15);
  });

  it('a view that is gone, and the layer when its feature type was left: published again, all is well', async () => {
    await rig.slaveDatabase.query('DROP VIEW town.trees');
    rig.geoserver.standIn!.catalog.withoutLayer.add('town:roads');
    const findings = await found();
    expect(findings).to.have.length(3);
    expect(findings[0]).to.include('data store town:town_ds whose table or view is gone: trees');
    expect(findings[1]).to.include('feature types without their layer: town:roads → Reload');
    expect(findings[2])
      .to.include('no longer there: town:roads')
      .and.to.include('slave-sync retry dpaw/layers/town.roads.json');

    // As a reload does.
    town().resources.delete('roads');
    rig.geoserver.standIn!.catalog.withoutLayer.clear();
    expect(await rig.cli('retry', TREES, 'dpaw/layers/town.roads.json')).to.include({ code: 0 });
    expect(await rig.cli('sync')).to.include({ code: 0 });
    expect(await found()).to.deep.equal([]);
  });

  it('a layer whose resource is gone', async () => {
    const part = '/rest/workspaces/town/featuretypes';
    rig.geoserver.standIn!.faults.push({
      ...{ kind: 'status', status: 404 },
      applies: ({ path }) => path.startsWith(part),
    });
    expect((await found()).join('\n')).to.include('layers without their resource: town:roads, town:trees');
  });

  it('groups: a member that is gone, and an inner group, without which none can be listed', async () => {
    const group = (type: 'layer' | 'layerGroup') => ({
      ...{ fields: { name: 'g' }, styles: [''] },
      members: [
        { type: 'layer', name: 'town:trees' },
        { type, name: 'town:lost' },
      ] as const,
    });
    town().groups.set('g', group('layer'));
    expect((await found()).join('\n')).to.include('layer group town:g lacks members: town:lost → ');
    town().groups.set('g', group('layerGroup'));
    expect((await found()).join('\n')).to.match(/groups of workspace town cannot be listed.*data directory/);
    town().groups.delete('g');
  });
});

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Content and mode of every file of the clone, and what the databases hold. */
async function everything(rig: Rig): Promise<unknown> {
  const names = await readdir(rig.clone, { recursive: true });
  const files: [string, number, string][] = [];
  for (const name of names.sort()) {
    const path = join(rig.clone, name);
    const stats = await stat(path);
    files.push([name, stats.mode, stats.isFile() ? sha256(await readFile(path)) : '']);
  }
  const catalog = 'SELECT relname, relnamespace FROM pg_class ORDER BY oid';
  return {
    files,
    slave: await rig.slaveDatabase.query(catalog),
    master: await rig.masterDatabase.query(catalog),
    roles: await rig.slaveDatabase.query('SELECT rolname FROM pg_roles ORDER BY oid'),
  };
}
