import { expect } from 'chai';
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from '../../src/doctor/check.js';
import { sha256 } from '../../src/lib/hash.js';
import { featureFiles, pointStyle, workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';

interface Report {
  readonly state: string;
  readonly findings: readonly Finding[];
}

describe('slave-sync doctor', function () {
  this.timeout(120_000);
  let rig: Rig;

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

  async function doctor(env: Readonly<Record<string, string>> = {}): Promise<Report & { code: number }> {
    await rig.configure(env);
    const { code, stdout, stderr } = await rig.cli('doctor', '--json');
    try {
      return { ...(JSON.parse(stdout) as Report), code };
    } catch (error) {
      throw new Error(`no report: ${stdout}${stderr}`, { cause: error });
    }
  }

  async function found(name: string, env?: Readonly<Record<string, string>>): Promise<Finding> {
    const { findings } = await doctor(env);
    const worst = ['failed', 'warning', 'skipped', 'ok'];
    const [first] = findings
      .filter((finding) => finding.name.startsWith(name))
      .sort((a, b) => worst.indexOf(a.state) - worst.indexOf(b.state));
    if (first === undefined) throw new Error(`no finding ${name} in ${JSON.stringify(findings, null, 2)}`);
    return first;
  }

  /** Whatever the settings of a test, the next one starts from good ones. */
  async function good(): Promise<Record<string, string>> {
    return {
      BORG_SSH: (await sshd()).sshCommand,
      GEOSERVER_URL: rig.geoserver.url,
      GEOSERVER_PASSWORD: rig.geoserver.password,
      GEOSERVER_PGSQL_USERNAME: rig.slaveDatabase.user,
      GEOSERVER_PGSQL_PASSWORD: rig.slaveDatabase.password,
      GEOSERVER_PGSQL_PORT: String(rig.slaveDatabase.port),
      GEOSERVER_PGSQL_DATABASE: rig.slaveDatabase.name,
      MASTER_PGSQL_PORT: String(rig.masterDatabase.port),
      MASTER_PGSQL_SCHEMA: 'public',
      MASTER_PGSQL_USERNAME: rig.masterDatabase.user,
      MASTER_PGSQL_PASSWORD: rig.masterDatabase.password,
      FEATURE_FILTER: '',
      LISTEN_CHANNELS: 'dpaw',
      SYNC_STATUS_PATH: '',
      CACHE_PATH: '',
      AUTH_DATABASES: '',
    };
  }
  beforeEach(async () => rig.configure(await good()));

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
        'hook',
        'state',
        'cache',
        'key',
        'host',
      ],
      ...['database', 'postgis', 'pg_restore', 'geoserver', 'master', 'clock'],
      ...['FEATURE_FILTER', 'WMS_FILTER', 'LAYERGROUP_FILTER'],
    ]);
  });

  it('says it in lines for people, too', async () => {
    const { code, stdout } = await rig.cli('doctor');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^ok {7}postgis: 3\./m);
  });

  it('changes nothing: no file, no table, no object, no known host', async () => {
    const lenient = (await sshd()).sshCommand
      .replace('StrictHostKeyChecking=yes', 'StrictHostKeyChecking=no')
      .replace(/UserKnownHostsFile=\S+/, `UserKnownHostsFile=${join(await tempDir('hosts'), 'known_hosts')}`);
    const knownHosts = /UserKnownHostsFile=(\S+)/.exec(lenient)?.[1] ?? '';
    await rig.configure({ BORG_SSH: lenient });
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

  it('warns of an environment file that others can read', async () => {
    const file = join(rig.clone, 'code/.env');
    await chmod(file, 0o644);
    expect((await found('settings')).state).to.equal('warning');
    await chmod(file, 0o600);
  });

  it('warns of channels that have no task files', async () => {
    expect(await found('repository', { LISTEN_CHANNELS: 'nothing' })).to.include({ state: 'warning' });
  });

  it('refuses to trust an environment file that the repository tracks', async () => {
    const own = await makeRig();
    const env = await readFile(join(own.clone, 'code/.env'));
    await own.commit({ 'code/.env': env });
    await own.exec('hg', 'pull', '-q');
    const { code, stdout } = await own.cli('doctor', '--json');
    await own.close();
    expect(code).to.equal(1);
    const [first] = (JSON.parse(stdout) as Report).findings;
    expect(first).to.include({ name: 'repository', state: 'failed' });
    expect(first?.message).to.contain('is tracked by the state repository');
  });

  describe('of ssh', () => {
    it('tells an unknown host key under a strict command from one that accepts any', async () => {
      const { sshCommand } = await sshd();
      const unknown = sshCommand.replace(/UserKnownHostsFile=\S+/, 'UserKnownHostsFile=/dev/null');
      const strict = await found('host ', { BORG_SSH: unknown });
      expect(strict).to.include({ state: 'failed' });
      expect(strict.hint).to.contain('pin-host');
      const lenient = unknown.replace('StrictHostKeyChecking=yes', 'StrictHostKeyChecking=no');
      expect(await found('host ', { BORG_SSH: lenient })).to.include({ state: 'warning' });
      expect(await found('upstream', { BORG_SSH: lenient })).to.include({ state: 'warning' });
    });

    it('takes a changed host key for a failure, however lenient the command', async () => {
      const { sshCommand, dir, host, port } = await sshd();
      const other = (await readFile(join(dir, 'client_key.pub'), 'utf8')).split(' ')[1] ?? '';
      const file = join(await tempDir('hosts'), 'known_hosts');
      await writeFile(file, `[${host}]:${port} ssh-ed25519 ${other}\n`);
      const changed = sshCommand
        .replace('StrictHostKeyChecking=yes', 'StrictHostKeyChecking=no')
        .replace(/UserKnownHostsFile=\S+/, `UserKnownHostsFile=${file}`);
      const finding = await found('host ', { BORG_SSH: changed });
      expect(finding).to.include({ state: 'failed' });
      expect(finding.message).to.contain('has changed');
    });

    it('tells a key that others can read, a missing one, and one that the host refuses', async () => {
      const { sshCommand, dir } = await sshd();
      const key = join(await tempDir('key'), 'key');
      const withKey = sshCommand.replace(join(dir, 'client_key'), key);
      expect(await found('key ', { BORG_SSH: withKey })).to.include({ state: 'failed' });
      await copyFile(join(dir, 'client_key'), key);
      await chmod(key, 0o644);
      const open = await found('key ', { BORG_SSH: withKey });
      expect(open.hint).to.equal(`chmod 600 ${key}`);
      await copyFile(join(dir, 'host_key'), key);
      await chmod(key, 0o600);
      const refused = await found('host ', { BORG_SSH: withKey });
      expect(refused).to.include({ state: 'failed' });
      expect(refused.hint).to.contain('authorized_keys');
    });
  });

  describe('of the database', () => {
    const role = 'doctor_test';
    before(async () => {
      await rig.slaveDatabase.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret of the doctor'`);
      await rig.slaveDatabase.query('CREATE SCHEMA town_data');
    });
    after(async () => {
      await rig.slaveDatabase.query('DROP SCHEMA town_data');
      await rig.slaveDatabase.query(`DROP OWNED BY ${role}`);
      await rig.slaveDatabase.query(`DROP ROLE ${role}`);
    });
    const asRole = { GEOSERVER_PGSQL_USERNAME: role, GEOSERVER_PGSQL_PASSWORD: 'secret of the doctor' };

    it('names every right that is missing, with the statement that gives it', async () => {
      const { findings, code } = await doctor(asRole);
      const hints = findings.filter(({ name }) => name === 'database').map(({ hint }) => hint);
      expect(code).to.equal(1);
      expect(hints).to.deep.equal([
        `GRANT CREATE ON DATABASE "${rig.slaveDatabase.name}" TO "${role}";`,
        `ALTER ROLE "${role}" CREATEROLE;`,
        `For each, and for its tables and views: ALTER … OWNER TO "${role}";`,
      ]);
      for (const statement of hints.slice(0, 2)) await rig.slaveDatabase.query(statement ?? '');
      await rig.slaveDatabase.query(`ALTER SCHEMA town_data OWNER TO ${role}`);
      expect(await found('database', asRole)).to.include({ state: 'ok' });
      await rig.slaveDatabase.query(`REVOKE CREATE ON DATABASE ${rig.slaveDatabase.name} FROM ${role}`);
    });

    it('tells a wrong password, and shows it nowhere', async () => {
      const wrong = 'marked-wrong-password';
      await rig.configure({ GEOSERVER_PGSQL_PASSWORD: wrong });
      const { stdout } = await rig.cli('doctor');
      expect(stdout).to.match(/^failed {3}database: .*password authentication failed/m);
      expect(stdout).not.to.contain(wrong);
    });

    it('misses databases that slave_roles.sql may connect to', async () => {
      const finding = await found('database', { AUTH_DATABASES: 'no_such_database' });
      expect(finding).to.include({ state: 'warning' });
      expect(finding.message).to.contain('no_such_database');
    });

    it('misses PostGIS, and asks a superuser for it', async () => {
      await rig.slaveDatabase.query('DROP EXTENSION postgis');
      try {
        const asSuperuser = await found('postgis');
        expect(asSuperuser).to.include({ state: 'ok' });
        expect(asSuperuser.message).to.contain('first run');
        const finding = await found('postgis', asRole);
        expect(finding).to.include({ state: 'failed' });
        expect(finding.hint).to.contain('CREATE EXTENSION postgis');
      } finally {
        await rig.slaveDatabase.query('CREATE EXTENSION postgis');
      }
    });

    it('skips what cannot be asked while the database is down', async () => {
      const down = { GEOSERVER_PGSQL_PORT: '1' };
      expect(await found('database', down)).to.include({ state: 'failed' });
      expect(await found('postgis', down)).to.include({ state: 'skipped' });
      expect(await found('pg_restore', down)).to.include({ state: 'skipped' });
    });

    it('misses pg_restore where PG_BIN_DIR has none', async () => {
      const finding = await found('pg_restore', { PG_BIN_DIR: '/nonexistent' });
      await rig.configure({ PG_BIN_DIR: '' });
      expect(finding).to.include({ state: 'failed' });
      expect(finding.hint).to.contain('PG_BIN_DIR');
    });
  });

  describe('of GeoServer', () => {
    before(function () {
      if (rig.geoserver.standIn === undefined) this.skip();
    });
    const standIn = () => rig.geoserver.standIn!;
    afterEach(() => {
      standIn().faults.splice(0);
      for (const workspace of [...standIn().catalog.workspaces.keys()])
        standIn().catalog.removeWorkspace(workspace);
      standIn().catalog.gridSets.delete('lost');
    });

    it('tells wrong credentials', async () => {
      const finding = await found('geoserver', { GEOSERVER_PASSWORD: 'marked-wrong-password' });
      expect(finding).to.include({ state: 'failed' });
      expect(finding.hint).to.contain('GEOSERVER_PASSWORD');
    });

    it('tells one that is down', async () => {
      expect(await found('geoserver', { GEOSERVER_URL: 'http://127.0.0.1:1/geoserver' })).to.include({
        state: 'failed',
      });
    });

    it('finds a workspace that is half made', async () => {
      standIn().catalog.addWorkspace('town', 'http://town');
      standIn().faults.push({
        kind: 'status',
        status: 404,
        applies: ({ path }) => path.startsWith('/rest/namespaces/town'),
      });
      const finding = await found('geoserver');
      expect(finding).to.include({ state: 'failed' });
      expect(finding.message).to.contain('town is half made');
    });

    it('finds a store that cannot be opened', async () => {
      standIn().catalog.addWorkspace('town', 'http://town');
      standIn()
        .catalog.workspaces.get('town')
        ?.stores.set('town_ds', { type: 'dataStore', name: 'town_ds', fields: {} });
      standIn().faults.push({
        kind: 'status',
        status: 404,
        applies: ({ path }) => path.includes('list=available'),
      });
      expect((await found('geoserver')).message).to.contain('town:town_ds cannot be opened');
    });

    it('finds a tile service that a lost grid set has broken', async () => {
      standIn().faults.push({
        kind: 'status',
        status: 400,
        applies: ({ path }) => path.startsWith('/gwc/service/wmts'),
      });
      expect((await found('geoserver')).message).to.contain('tile service');
    });

    it('gives up on one that does not answer', async () => {
      standIn().faults.push({ kind: 'hang' });
      const begin = performance.now();
      const { findings } = await doctor();
      expect(performance.now() - begin).to.be.below(25_000);
      expect(findings.find(({ name }) => name.startsWith('geoserver'))).to.include({ state: 'failed' });
    });
  });

  describe('of the master', () => {
    it('misses the monitor tables', async () => {
      const finding = await found('master', { MASTER_PGSQL_SCHEMA: 'elsewhere' });
      expect(finding).to.include({ state: 'failed' });
      expect(finding.hint).to.contain('master init');
    });

    it('misses the right to write to them', async () => {
      await rig.masterDatabase.query(`CREATE ROLE doctor_reader LOGIN PASSWORD 'reader of the doctor'`);
      try {
        const finding = await found('master', {
          MASTER_PGSQL_USERNAME: 'doctor_reader',
          MASTER_PGSQL_PASSWORD: 'reader of the doctor',
        });
        expect(finding).to.include({ state: 'failed' });
        expect(finding.message).to.contain('may not');
      } finally {
        await rig.masterDatabase.query('DROP ROLE doctor_reader');
      }
    });

    it('does not need one', async () => {
      await rig.configure({ MASTER_PGSQL_USERNAME: '' });
      expect(await found('master')).to.include({ state: 'skipped' });
    });
  });

  it('misses the hook, and tells one of another program', async () => {
    const file = join(rig.clone, '.hg/hgrc');
    const hgrc = await readFile(file, 'utf8');
    await writeFile(file, hgrc.replace(/^pretxnchangegroup.*$/m, ''));
    const finding = await found('hook');
    await writeFile(file, hgrc);
    expect(finding).to.include({ state: 'warning' });
    expect(finding.hint).to.contain('slave-sync init');
  });

  it('tells folders that cannot be made, and a record that others can read', async () => {
    expect(await found('state', { SYNC_STATUS_PATH: '/proc/nowhere/status' })).to.include({
      state: 'failed',
    });
    const file = join(await tempDir('file'), 'file');
    await writeFile(file, '');
    expect(await found('cache', { CACHE_PATH: file })).to.include({ state: 'failed' });
    const open = join(await tempDir('open'), 'status');
    await mkdir(open, { mode: 0o755 });
    expect(await found('state', { SYNC_STATUS_PATH: open })).to.include({ state: 'warning' });
  });

  describe('of filters', () => {
    it('judges filters once meta files are here, and warns of one that takes nothing', async () => {
      expect((await found('FEATURE_FILTER')).message).to.contain('1 more when their meta files');
      expect((await rig.cli('sync')).code).to.equal(0);
      expect(await found('FEATURE_FILTER')).to.include({ state: 'ok', message: 'takes 2 of 2' });
      const none = "lambda job: job.get('allow_authenticated')";
      expect(await found('FEATURE_FILTER', { FEATURE_FILTER: none })).to.include({ state: 'warning' });
      const broken = await found('FEATURE_FILTER', { FEATURE_FILTER: "lambda job: job['missing']" });
      expect(broken).to.include({ state: 'failed' });
      await rm(join(rig.clone, 'code/dumps'), { recursive: true });
    });
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
