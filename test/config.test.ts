import { expect } from 'chai';
import { inspect } from 'node:util';
import {
  describeConfig,
  loadConfig,
  secretsOf,
  type Config,
  type ConfigOptions,
  type ConfigProblem,
} from '../src/config.js';
import { VARIABLES, type VariableName } from '../src/config/variables.js';
import { machine } from './config/support/machine.js';

type Env = Partial<Record<VariableName, string>>;

function result(env: Env, options: Partial<ConfigOptions> = {}) {
  return loadConfig(env, { machine, repositoryRoot: '/srv/state', ...options });
}

async function load(env: Env, options: Partial<ConfigOptions> = {}): Promise<Config> {
  const loaded = await result(env, options);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return loaded.value;
}

async function errors(env: Env, options: Partial<ConfigOptions> = {}): Promise<readonly ConfigProblem[]> {
  const loaded = await result(env, options);
  return loaded.ok ? [] : loaded.errors;
}

const SSH =
  'ssh -i /etc/id_rsa_borg -o StrictHostKeyChecking=no -o KeepAlive=yes -o ServerAliveInterval=30 ' +
  '-o ConnectTimeout=3600 -o ConnectionAttempts=5';

describe('config: defaults', () => {
  it('are the documented ones', async () => {
    const config = await load({});
    expect(config).to.deep.include({
      slaveName: 'slave.example',
      repositoryRoot: '/srv/state',
      stateSsh: SSH,
      dataSsh: SSH,
      channels: ['geoserver'],
      rollback: false,
      debug: false,
      geoserverSharingDataDir: false,
      workspaceNamespace: 'http://{}.dpaw.wa.gov.au',
      dataStoreName: '{}_ds',
      defaultCrs: 'EPSG:4326',
      skip: { auth: false, rules: false, db: false, gs: false },
      cacheMaxBytes: 20 * 2 ** 30,
      pollIntervalSeconds: 60,
      onFailure: 'rollback',
      shareLayerData: false,
      sharePreviewData: false,
      allowLoopbackWms: false,
      authDatabases: [],
      logLevel: 'info',
      limits: { transfersPerHost: 2, restores: 2, geoserverWriters: 2, geoserverReaders: 4, cdn: 4 },
      warnings: [],
    });
    const [server, ...others] = config.geoservers;
    expect(others).to.deep.equal([]);
    expect(server).to.deep.include({
      url: 'http://localhost:8080/geoserver',
      username: 'admin',
      dataDir: '/opt/geoserver/data_dir',
    });
    expect(server?.password.reveal()).to.equal('geoserver');
    const { password, ...database } = config.database;
    expect({ ...database, password: password.reveal() }).to.deep.equal({
      host: 'localhost',
      port: 5432,
      database: 'borg_slave',
      schema: 'publish',
      user: 'test',
      password: 'test',
    });
    for (const absent of [
      'branch',
      'syncServer',
      'codeBranch',
      'include',
      'master',
      'cdn',
      'maxRemovals',
      'pgBinDir',
      'authUser',
    ])
      expect(config).to.not.have.property(absent);
  });

  it('of folders depend on the state repository, the user and XDG_STATE_HOME, and differ between repositories', async () => {
    const folders = async (
      options: Partial<ConfigOptions>,
      env: Record<string, string> = {},
    ): Promise<string[]> => {
      const { cachePath, statePath } = await load(env, options);
      return [cachePath, statePath];
    };
    const withCode = { ...machine, hasCodeFolder: (root: string) => root === '/srv/state' };
    expect(await folders({ machine: withCode })).to.deep.equal([
      '/srv/state/code/dumps',
      '/srv/state/code/.sync_status',
    ]);
    const [cache, status] = await folders({});
    expect(cache).to.match(/^\/var\/lib\/slave-sync\/state-[0-9a-f]{8}\/dumps$/);
    expect(status).to.match(/^\/var\/lib\/slave-sync\/state-[0-9a-f]{8}\/status$/);
    expect((await folders({ repositoryRoot: '/opt/state' }))[0]).to.not.equal(cache);
    const user = { machine: { ...machine, isRoot: false, home: '/home/borg' } };
    expect((await folders(user))[0]).to.match(/^\/home\/borg\/\.local\/state\/slave-sync\/state-/);
    expect((await folders(user, { XDG_STATE_HOME: '/x' }))[0]).to.match(/^\/x\/slave-sync\/state-/);
    expect((await folders(user, { XDG_STATE_HOME: 'x' }))[0]).to.match(/^\/home\/borg\//);
  });

  it('of restores is the number of cores, from 1 to 4', async () => {
    for (const [cores, restores] of [
      [1, 1],
      [3, 3],
      [32, 4],
    ] as const)
      expect((await load({}, { machine: { ...machine, cores } })).limits.restores).to.equal(restores);
  });
});

/** One value for each variable, and what it does to the configuration. */
const EFFECTS: Record<
  VariableName,
  [value: string, effect: (config: Config) => unknown, expected: unknown][]
> = {
  SLAVE_NAME: [['portable_slave_rocky', (c) => c.slaveName, 'portable_slave_rocky']],
  LISTEN_CHANNELS: [[' kmi, dpaw ,,kmi', (c) => c.channels, ['kmi', 'dpaw']]],
  SKIP_AUTH: [['TRUE', (c) => c.skip.auth, true]],
  SKIP_RULES: [['yes', (c) => c.skip.rules, true]],
  SKIP_DB: [['On', (c) => c.skip.db, true]],
  SKIP_GS: [['true', (c) => c.skip.gs, true]],
  FEATURE_FILTER: [
    [
      "lambda job: job.get('x') == 1",
      (c) => [c.filters.feature.filter.accepts({ x: 1 }), c.filters.feature.filter.accepts({})],
      [true, false],
    ],
    [
      "lambda job: job.get('x') == 1",
      (c) => [c.filters.feature.source, c.filters.feature.isDefault],
      ["lambda job: job.get('x') == 1", false],
    ],
  ],
  WMS_FILTER: [['lambda job: False', (c) => c.filters.wms.filter.accepts({}), false]],
  LAYERGROUP_FILTER: [['lambda job: False', (c) => c.filters.layergroup.filter.accepts({}), false]],
  SYNC_SERVER: [
    [
      'borg@aws-borgslave-2a',
      (c) => c.syncServer,
      { host: 'borg@aws-borgslave-2a', path: '/opt/dpaw-borg-state/code/dumps' },
    ],
    ['[::1]', (c) => c.syncServer?.host, '[::1]'],
    [
      'a@b',
      (c) => [c.filters.feature.source, c.filters.wms.source, c.filters.layergroup.source],
      ["lambda job:job.get('allow_authenticated',False)", 'lambda job: False', 'lambda job: False'],
    ],
    [
      'a@b',
      (c) => [
        c.filters.feature.isDefault,
        c.filters.feature.filter.accepts({ allow_authenticated: true }),
        c.filters.feature.filter.accepts({ auth_level: 0 }),
        c.filters.wms.filter.accepts({}),
        c.filters.layergroup.filter.accepts({}),
      ],
      [true, true, false, false, false],
    ],
  ],
  SYNC_PATH: [['/srv/dumps', (c) => c.syncServer, undefined]],
  BORG_SSH: [['ssh -p 2222', (c) => [c.stateSsh, c.dataSsh], ['ssh -p 2222', 'ssh -p 2222']]],
  BORG_STATE_SSH: [['ssh -p 2222', (c) => [c.stateSsh, c.dataSsh], ['ssh -p 2222', SSH]]],
  BORGCOLLECTOR_SSH: [['ssh -p 2222', (c) => [c.stateSsh, c.dataSsh], [SSH, 'ssh -p 2222']]],
  SHARE_LAYER_DATA: [['true', (c) => c.shareLayerData, true]],
  SHARE_PREVIEW_DATA: [['true', (c) => c.sharePreviewData, true]],
  LOCAL_DATA_ROOT: [['/srv/data', (c) => c.localDataRoot, '/srv/data']],
  CACHE_PATH: [['/srv/cache/../dumps/', (c) => c.cachePath, '/srv/dumps']],
  CACHE_MAX_BYTES: [
    ['500M', (c) => c.cacheMaxBytes, 500 * 2 ** 20],
    ['1.5 GiB', (c) => c.cacheMaxBytes, 1.5 * 2 ** 30],
    ['1000', (c) => c.cacheMaxBytes, 1000],
    ['2tb', (c) => c.cacheMaxBytes, 2 * 2 ** 40],
  ],
  GEOSERVER_URL: [
    [
      'HTTP://Localhost:80/geoserver//',
      (c) => c.geoservers.map(({ url }) => url),
      ['http://localhost/geoserver'],
    ],
    [
      'http://a:1/g, https://b/g/',
      (c) => c.geoservers.map((one) => `${one.url} ${one.username} ${one.password.reveal()} ${one.dataDir}`),
      [
        'http://a:1/g admin geoserver /opt/geoserver/data_dir',
        'https://b/g admin geoserver /opt/geoserver/data_dir',
      ],
    ],
  ],
  GEOSERVER_DATA_DIR: [['/srv/gs', (c) => c.geoservers[0]?.dataDir, '/srv/gs']],
  GEOSERVER_USERNAME: [['root', (c) => c.geoservers[0]?.username, 'root']],
  GEOSERVER_PASSWORD: [['one,two', (c) => c.geoservers[0]?.password.reveal(), 'one,two']],
  GEOSERVER_SHARING_DATA_DIR: [['yes', (c) => c.geoserverSharingDataDir, true]],
  GEOSERVER_WORKSPACE_NAMESPACE: [['urn:{0}', (c) => c.workspaceNamespace, 'urn:{}']],
  GEOSERVER_DATASTORE_NAMESPACE: [['store_{}', (c) => c.dataStoreName, 'store_{}']],
  GEOSERVER_DEFAULT_CRS: [['EPSG:28350', (c) => c.defaultCrs, 'EPSG:28350']],
  GEOSERVER_PGSQL_HOST: [['db', (c) => c.database.host, 'db']],
  GEOSERVER_PGSQL_PORT: [['5433', (c) => c.database.port, 5433]],
  GEOSERVER_PGSQL_DATABASE: [['maps', (c) => c.database.database, 'maps']],
  GEOSERVER_PGSQL_SCHEMA: [['s', (c) => c.database.schema, 's']],
  GEOSERVER_PGSQL_USERNAME: [['u', (c) => c.database.user, 'u']],
  GEOSERVER_PGSQL_PASSWORD: [[' p w ', (c) => c.database.password.reveal(), ' p w ']],
  PG_BIN_DIR: [['/usr/lib/postgresql/15/bin', (c) => c.pgBinDir, '/usr/lib/postgresql/15/bin']],
  AUTH_DATABASES: [['kmi,maps', (c) => c.authDatabases, ['kmi', 'maps']]],
  AUTH_PGSQL_USERNAME: [['owner', (c) => c.authUser, 'owner']],
  AUTH_PGSQL_PASSWORD: [['secret', (c) => c.authPassword?.reveal(), 'secret']],
  MASTER_PGSQL_HOST: [['master', (c) => c.master, undefined]],
  MASTER_PGSQL_PORT: [['5439', (c) => c.master, undefined]],
  MASTER_PGSQL_DATABASE: [['borg', (c) => c.master, undefined]],
  MASTER_PGSQL_SCHEMA: [['public', (c) => c.master, undefined]],
  MASTER_PGSQL_USERNAME: [['borg', (c) => c.master, undefined]],
  MASTER_PGSQL_PASSWORD: [['secret', (c) => c.master, undefined]],
  FASTLY_PURGE_URL: [['https://api.fastly.com/service/{}/purge/{{}}', (c) => c.cdn, undefined]],
  FASTLY_SERVICEID: [['id', (c) => c.cdn, undefined]],
  FASTLY_API_TOKEN: [['token', (c) => c.cdn, undefined]],
  FASTLY_SURROGATE_KEY: [['{}:{}', (c) => c.cdn, undefined]],
  FASTLY_SOFT_PURGE: [['true', (c) => c.cdn, undefined]],
  STATE_REPOSITORY_ROOT: [['/opt/state/', (c) => c.repositoryRoot, '/opt/state']],
  STATE_BRANCH: [['release/1.0', (c) => c.branch, 'release/1.0']],
  SYNC_STATUS_PATH: [['/srv/status', (c) => c.statePath, '/srv/status']],
  POLL_INTERVAL: [['5', (c) => c.pollIntervalSeconds, 5]],
  CODE_BRANCH: [['uat', (c) => c.codeBranch, 'uat']],
  ON_FAILURE: [['Accept', (c) => c.onFailure, 'accept']],
  ALLOW_LOOPBACK_WMS: [['yes', (c) => c.allowLoopbackWms, true]],
  MAX_REMOVALS: [['0', (c) => c.maxRemovals, 0]],
  MAX_TRANSFERS_PER_HOST: [['3', (c) => c.limits.transfersPerHost, 3]],
  MAX_RESTORES: [['8', (c) => c.limits.restores, 8]],
  MAX_GEOSERVER_WRITERS: [['1', (c) => c.limits.geoserverWriters, 1]],
  MAX_GEOSERVER_READERS: [['9', (c) => c.limits.geoserverReaders, 9]],
  MAX_CDN_REQUESTS: [['7', (c) => c.limits.cdn, 7]],
  GRACE_SECONDS: [['5', (c) => c.graceSeconds, 5]],
  LOG_FORMAT: [['json', (c) => c.logFormat, 'json']],
  LOG_LEVEL: [['warn', (c) => c.logLevel, 'warn']],
  DEBUG: [['true', (c) => [c.debug, c.logLevel], [true, 'debug']]],
  ROLLBACK: [['true', (c) => [c.rollback, c.warnings.length], [true, 1]]],
  INCLUDE: [['dpaw/layers/a.json, b.json', (c) => c.include, ['dpaw/layers/a.json', 'b.json']]],
};

describe('config: every variable', () => {
  for (const [name, cases] of Object.entries(EFFECTS) as [VariableName, (typeof EFFECTS)[VariableName]][])
    for (const [value, effect, expected] of cases)
      it(`${name}=${value}`, async () => {
        const config = await load({ [name]: value });
        expect(effect(config)).to.deep.equal(expected);
        expect(describeConfig(config).find(({ variable }) => variable === name)?.source).to.equal(
          'environment',
        );
      });

  it('of the master together', async () => {
    const env: Env = {
      MASTER_PGSQL_HOST: 'h',
      MASTER_PGSQL_PORT: '5439',
      MASTER_PGSQL_DATABASE: 'd',
      MASTER_PGSQL_USERNAME: 'u',
    };
    const { master, warnings } = await load({ ...env, MASTER_PGSQL_SCHEMA: 's', MASTER_PGSQL_PASSWORD: 'p' });
    expect(master).to.deep.include({ host: 'h', port: 5439, database: 'd', schema: 's', user: 'u' });
    expect([master?.password?.reveal(), warnings]).to.deep.equal(['p', []]);
    expect((await load(env)).master).to.deep.equal({
      host: 'h',
      port: 5439,
      database: 'd',
      schema: 'public',
      user: 'u',
      password: undefined,
    });
    expect((await load({ ...env, MASTER_PGSQL_USERNAME: '' })).warnings).to.deep.equal([
      'MASTER_PGSQL_USERNAME not set: nothing is reported to the master',
    ]);
  });

  it('of the CDN together', async () => {
    const env: Env = {
      FASTLY_PURGE_URL: 'https://api.fastly.com/service/{}/purge/{{}}',
      FASTLY_SERVICEID: 'id',
      FASTLY_API_TOKEN: 'token',
      FASTLY_SURROGATE_KEY: '{}:{},{}',
      FASTLY_SOFT_PURGE: 'yes',
    };
    const { cdn } = await load(env);
    expect({ ...cdn, token: cdn?.token.reveal() }).to.deep.equal({
      purgeUrl: env.FASTLY_PURGE_URL,
      serviceId: 'id',
      token: 'token',
      surrogateKeys: ['{}:{}', '{}'],
      softPurge: true,
    });
    const partial = await load({ ...env, FASTLY_API_TOKEN: '' });
    expect([partial.cdn, partial.warnings]).to.deep.equal([
      undefined,
      ['FASTLY_API_TOKEN not set: nothing is purged'],
    ]);
  });

  it('SYNC_PATH with SYNC_SERVER', async () => {
    expect((await load({ SYNC_SERVER: 'a@b', SYNC_PATH: '/srv/dumps' })).syncServer?.path).to.equal(
      '/srv/dumps',
    );
  });

  it('several GeoServers: each with its own, or one for all', async () => {
    const { geoservers } = await load({
      GEOSERVER_URL: 'http://a/g,http://b/g',
      GEOSERVER_USERNAME: 'x, y',
      GEOSERVER_PASSWORD: 'one , two',
      GEOSERVER_DATA_DIR: '/d',
    });
    expect(geoservers.map((one) => [one.username, one.password.reveal(), one.dataDir])).to.deep.equal([
      ['x', 'one', '/d'],
      ['y', 'two', '/d'],
    ]);
  });

  it('an empty or blank value counts as not set', async () => {
    const blank = Object.fromEntries(VARIABLES.map(({ name }) => [name, '  ']));
    expect(describeConfig(await load(blank))).to.deep.equal(describeConfig(await load({})));
  });

  it('a flag that is neither true nor false is false, with a warning', async () => {
    const { skip, warnings } = await load({ SKIP_DB: '1', SKIP_GS: 'False', SKIP_AUTH: 'off' });
    expect(skip).to.deep.equal({ auth: false, rules: false, db: false, gs: false });
    expect(warnings).to.deep.equal(['SKIP_DB=1 is read as false: only true, yes and on mean true']);
  });
});

describe('config: errors', () => {
  const WRONG: [VariableName, string, RegExp][] = [
    ['GEOSERVER_URL', 'localhost:8080', /http or https/],
    ['GEOSERVER_URL', 'ftp://a/b', /http or https/],
    ['GEOSERVER_URL', 'http://u:hunter2@a/b', /must not hold a user/],
    ['FASTLY_PURGE_URL', 'https://u:hunter2@api/{}', /must not hold a user/],
    ['GEOSERVER_URL', 'http://a/b?c=d', /query/],
    ['GEOSERVER_URL', 'http://a/b,HTTP://A:80/b/', /twice/],
    ['GEOSERVER_URL', ',', /without items/],
    ['GEOSERVER_USERNAME', 'a,b', /2 items for 1 GeoServers/],
    ['GEOSERVER_DATA_DIR', '/a,/b,/c', /3 items for 1/],
    ['GEOSERVER_PGSQL_PORT', '0', /from 1 to 65535/],
    ['GEOSERVER_PGSQL_PORT', '5432x', /from 1 to 65535/],
    ['GEOSERVER_PGSQL_PORT', '65536', /from 1 to 65535/],
    ['GEOSERVER_PGSQL_HOST', 'a\nb', /control character/],
    ['GEOSERVER_WORKSPACE_NAMESPACE', 'http://{name}', /no braces but/],
    ['POLL_INTERVAL', '-1', /whole number/],
    ['POLL_INTERVAL', '1.5', /whole number/],
    ['MAX_RESTORES', '0', /from 1 to 64/],
    ['CACHE_MAX_BYTES', 'much', /number of bytes/],
    ['CACHE_MAX_BYTES', '9999999999999T', /number of bytes/],
    ['CACHE_PATH', 'dumps', /absolute/],
    ['SYNC_STATUS_PATH', '/usr/lib/node_modules/slave-sync/status', /installed package/],
    ['SYNC_SERVER', '-oProxyCommand=id', /user@host/],
    ['SYNC_SERVER', 'a@-b', /user@host/],
    ['SYNC_SERVER', 'a b', /user@host/],
    ['SYNC_PATH', 'relative', /absolute/],
    ['LISTEN_CHANNELS', 'a,../b', /one folder/],
    ['STATE_BRANCH', '--config=x', /name of a branch/],
    ['STATE_BRANCH', 'a b', /name of a branch/],
    ['STATE_REPOSITORY_ROOT', 'relative', /absolute/],
    ['ON_FAILURE', 'ignore', /rollback or accept/],
    ['LOG_LEVEL', 'loud', /debug, info, warn or error/],
    ['FASTLY_PURGE_URL', 'fastly', /http or https/],
    ['FEATURE_FILTER', 'lambda job: job.x', /^at character 13, near "job.x": /],
    ['WMS_FILTER', "lambda job: __import__('os')", /can be called here/],
    ['LAYERGROUP_FILTER', 'True', /lambda job/],
  ];
  for (const [name, value, reason] of WRONG)
    it(`${name}=${JSON.stringify(value)}`, async () => {
      const found = await errors({ [name]: value });
      expect(found.map(({ variable }) => variable)).to.deep.equal([name]);
      expect(found[0]?.reason).to.match(reason);
    });

  it('come all at once, with those of the environment file', async () => {
    const found = await errors(
      { POLL_INTERVAL: 'x', ON_FAILURE: 'x', FEATURE_FILTER: 'x', GEOSERVER_URL: 'x' },
      { repositoryRoot: undefined, problems: [{ variable: '.env line 3', reason: 'a quote has no end' }] },
    );
    expect(found.map(({ variable }) => variable)).to.have.members([
      '.env line 3',
      'STATE_REPOSITORY_ROOT',
      'POLL_INTERVAL',
      'ON_FAILURE',
      'FEATURE_FILTER',
      'GEOSERVER_URL',
    ]);
  });

  it('of two GeoServers: as many passwords as servers, or one', async () => {
    const found = await errors({
      GEOSERVER_URL: 'http://a/g,http://b/g',
      GEOSERVER_PASSWORD: 'one,two,three',
    });
    expect(found).to.deep.equal([
      {
        variable: 'GEOSERVER_PASSWORD',
        reason: 'has 3 items for 2 GeoServers: one for each, or one for all',
      },
    ]);
  });

  it('never hold a secret', async () => {
    const text = JSON.stringify(
      await errors({
        GEOSERVER_URL: 'http://u:hunter2@a',
        GEOSERVER_PASSWORD: 'hunter2',
        SYNC_SERVER: 'u:hunter2@a b',
      }),
    );
    expect(text).to.contain('GEOSERVER_URL').and.not.contain('hunter2');
  });
});

describe('config: what is shown', () => {
  const secrets: Env = {
    GEOSERVER_URL: 'http://a/g,http://b/g',
    GEOSERVER_PASSWORD: 'hunter-gs1,hunter-gs2',
    GEOSERVER_PGSQL_PASSWORD: 'hunter-pg',
    MASTER_PGSQL_PASSWORD: 'hunter-master',
    MASTER_PGSQL_HOST: 'h',
    MASTER_PGSQL_DATABASE: 'd',
    MASTER_PGSQL_USERNAME: 'u',
    AUTH_PGSQL_PASSWORD: 'hunter-auth',
    FASTLY_API_TOKEN: 'hunter-token',
    FASTLY_PURGE_URL: 'https://api/{}',
    FASTLY_SERVICEID: 'x',
    FASTLY_SURROGATE_KEY: 'y',
  };

  it('has a row for every variable with value and source, and no secret', async () => {
    const config = await load(secrets, {
      sources: { GEOSERVER_PASSWORD: 'credential', FASTLY_SERVICEID: 'file' },
    });
    const rows = describeConfig(config);
    expect(rows.map(({ variable }) => variable)).to.deep.equal(VARIABLES.map(({ name }) => name));
    const row = (name: VariableName) => rows.find(({ variable }) => variable === name);
    expect(row('GEOSERVER_PASSWORD')).to.deep.include({ value: '***', source: 'credential' });
    expect(row('FASTLY_SERVICEID')).to.deep.include({ value: 'x', source: 'file' });
    expect(row('FASTLY_PURGE_URL')?.value).to.equal('https://api/{}');
    expect(row('MASTER_PGSQL_HOST')).to.deep.include({ value: 'h', source: 'environment' });
    expect(row('SLAVE_NAME')).to.deep.include({ value: 'slave.example', source: 'default' });
    expect(JSON.stringify(rows)).to.not.contain('hunter');
  });

  it('shows no secret when the configuration itself is printed', async () => {
    const config = await load(secrets);
    expect(inspect(config, { depth: 9 }))
      .to.contain('slave.example')
      .and.not.contain('hunter');
    expect(JSON.stringify(config)).to.contain('slave.example').and.not.contain('hunter');
  });

  it('names every secret for the redactor, but no documented default, which are common words', async () => {
    expect(secretsOf(await load(secrets))).to.have.members([
      'hunter-gs1,hunter-gs2',
      'hunter-gs1',
      'hunter-gs2',
      'hunter-pg',
      'hunter-master',
      'hunter-auth',
      'hunter-token',
    ]);
    expect(
      secretsOf(await load({ GEOSERVER_PASSWORD: 'geoserver', GEOSERVER_PGSQL_PASSWORD: 'test' })),
    ).to.deep.equal([]);
  });
});
