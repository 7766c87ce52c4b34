/**
 * Every variable of the program, once: what reads it, checks it, prints it and documents it in `.env.example` starts here.
 * Names and defaults of the first seven groups are the interface that operators have in their files today.
 */
export type Kind = 'text' | 'flag' | 'integer' | 'size' | 'list' | 'secret' | 'filter';

export interface Variable {
  readonly name: string;
  readonly kind: Kind;
  /** One or two sentences for `.env.example`. */
  readonly summary: string;
  /** The default as it would be written in a file. */
  readonly default?: string;
  /** Says what the default is when it is not one fixed text. */
  readonly otherwise?: string;
}

const DEFAULT_SSH =
  'ssh -i /etc/id_rsa_borg -o StrictHostKeyChecking=no -o KeepAlive=yes -o ServerAliveInterval=30 ' +
  '-o ConnectTimeout=3600 -o ConnectionAttempts=5';

export const VARIABLE_GROUPS = {
  'This slave': [
    {
      name: 'SLAVE_NAME',
      kind: 'text',
      summary: "The slave's name, as the master shows it.",
      otherwise: 'the host name',
    },
    {
      name: 'LISTEN_CHANNELS',
      kind: 'list',
      summary: 'The channels this slave listens to, separated by commas.',
      default: 'geoserver',
    },
    {
      name: 'SKIP_AUTH',
      kind: 'flag',
      summary: 'Roles and other authentication data are not synchronized.',
      default: 'false',
    },
    { name: 'SKIP_RULES', kind: 'flag', summary: 'Access rules are not synchronized.', default: 'false' },
    { name: 'SKIP_DB', kind: 'flag', summary: 'The database is not synchronized.', default: 'false' },
    { name: 'SKIP_GS', kind: 'flag', summary: 'GeoServer is not synchronized.', default: 'false' },
  ],
  'Filters: Python lambda expressions over a job (the task file merged with its meta file, action, channel, job_file)':
    [
      {
        name: 'FEATURE_FILTER',
        kind: 'filter',
        summary: 'Which features, workspaces, live stores and live layers are taken.',
        otherwise: "lambda job: True; with SYNC_SERVER lambda job:job.get('allow_authenticated',False)",
      },
      {
        name: 'WMS_FILTER',
        kind: 'filter',
        summary: 'Which WMS stores and WMS layers are taken.',
        otherwise: 'lambda job: True; with SYNC_SERVER lambda job: False',
      },
      {
        name: 'LAYERGROUP_FILTER',
        kind: 'filter',
        summary: 'Which layer groups are taken.',
        otherwise: 'lambda job: True; with SYNC_SERVER lambda job: False',
      },
    ],
  'Where data comes from': [
    {
      name: 'SYNC_SERVER',
      kind: 'text',
      summary:
        'user@host of another slave: all data comes from there instead of the master (a portal slave).',
    },
    {
      name: 'SYNC_PATH',
      kind: 'text',
      summary: 'The data folder on SYNC_SERVER.',
      default: '/opt/dpaw-borg-state/code/dumps',
    },
    {
      name: 'BORG_SSH',
      kind: 'text',
      summary:
        'The ssh command for the state repository and for rsync. Safer, once `slave-sync pin-host` has pinned the host key: ' +
        'ssh -i /etc/id_rsa_borg -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/opt/state/code/known_hosts.',
      default: DEFAULT_SSH,
    },
    {
      name: 'BORG_STATE_SSH',
      kind: 'text',
      summary: 'The ssh command for the state repository alone.',
      otherwise: 'BORG_SSH',
    },
    {
      name: 'BORGCOLLECTOR_SSH',
      kind: 'text',
      summary: 'The ssh command for rsync alone.',
      otherwise: 'BORG_SSH',
    },
    {
      name: 'SHARE_LAYER_DATA',
      kind: 'flag',
      summary: "The master's files are mounted here at the same path: they are read in place.",
      default: 'false',
    },
    {
      name: 'SHARE_PREVIEW_DATA',
      kind: 'flag',
      summary: "The master's preview folder is mounted here at the same path: previews need not be sent.",
      default: 'false',
    },
    {
      name: 'LOCAL_DATA_ROOT',
      kind: 'text',
      summary: 'A folder on this machine from which task files may name data by a local path.',
    },
    {
      name: 'CACHE_PATH',
      kind: 'text',
      summary: 'The folder of fetched files. Other slaves fetch from it.',
      otherwise:
        'code/dumps in the state repository where code/ exists, else under /var/lib/slave-sync (root) or $XDG_STATE_HOME/slave-sync',
    },
    {
      name: 'CACHE_MAX_BYTES',
      kind: 'size',
      summary:
        'The most that fetched files may take, in bytes or with K, M, G, T; the least recently used go first.',
      default: '20G',
    },
  ],
  GeoServer: [
    {
      name: 'GEOSERVER_URL',
      kind: 'list',
      summary: 'The GeoServer to publish on, or several, separated by commas.',
      default: 'http://localhost:8080/geoserver',
    },
    {
      name: 'GEOSERVER_DATA_DIR',
      kind: 'list',
      summary: 'The data directory of each GeoServer, in the same order, or one for all.',
      default: '/opt/geoserver/data_dir',
    },
    {
      name: 'GEOSERVER_USERNAME',
      kind: 'list',
      summary: 'The user name on each GeoServer, or one for all.',
      default: 'admin',
    },
    {
      name: 'GEOSERVER_PASSWORD',
      kind: 'secret',
      summary: 'The password on each GeoServer, or one for all. With one GeoServer it may contain commas.',
      default: 'geoserver',
    },
    {
      name: 'GEOSERVER_SHARING_DATA_DIR',
      kind: 'flag',
      summary: 'All GeoServers use one data directory: the first is written, the others read it again.',
      default: 'false',
    },
    {
      name: 'GEOSERVER_WORKSPACE_NAMESPACE',
      kind: 'text',
      summary: "The namespace URI of a workspace; {} is the workspace's name.",
      default: 'http://{}.dpaw.wa.gov.au',
    },
    {
      name: 'GEOSERVER_DATASTORE_NAMESPACE',
      kind: 'text',
      summary: "The name of a workspace's data store; {} is the workspace's name.",
      default: '{}_ds',
    },
    {
      name: 'GEOSERVER_DEFAULT_CRS',
      kind: 'text',
      summary: 'The coordinate system of a layer that names none.',
      default: 'EPSG:4326',
    },
  ],
  "The slave's database, for restores and in GeoServer's data stores": [
    { name: 'GEOSERVER_PGSQL_HOST', kind: 'text', summary: 'Host of the database.', default: 'localhost' },
    { name: 'GEOSERVER_PGSQL_PORT', kind: 'integer', summary: 'Port of the database.', default: '5432' },
    {
      name: 'GEOSERVER_PGSQL_DATABASE',
      kind: 'text',
      summary: 'Name of the database.',
      default: 'borg_slave',
    },
    {
      name: 'GEOSERVER_PGSQL_SCHEMA',
      kind: 'text',
      summary: 'Schema of layers that name none.',
      default: 'publish',
    },
    { name: 'GEOSERVER_PGSQL_USERNAME', kind: 'text', summary: 'Database user.', default: 'test' },
    {
      name: 'GEOSERVER_PGSQL_PASSWORD',
      kind: 'secret',
      summary: 'Password of the database user.',
      default: 'test',
    },
    {
      name: 'PG_BIN_DIR',
      kind: 'text',
      summary: 'The folder of the PostgreSQL client programs.',
      otherwise: 'the version that fits the dump and the server, from /usr/lib/postgresql or the PATH',
    },
    {
      name: 'AUTH_DATABASES',
      kind: 'list',
      summary: "Databases besides postgres and the slave's own that slave_roles.sql may connect to.",
    },
    {
      name: 'AUTH_PGSQL_USERNAME',
      kind: 'text',
      summary: 'The database user that runs slave_roles.sql.',
      otherwise: 'GEOSERVER_PGSQL_USERNAME',
    },
    {
      name: 'AUTH_PGSQL_PASSWORD',
      kind: 'secret',
      summary: 'The password of AUTH_PGSQL_USERNAME.',
    },
  ],
  "The master's database: nothing is reported when host, database or user is missing": [
    { name: 'MASTER_PGSQL_HOST', kind: 'text', summary: "Host of the master's database." },
    {
      name: 'MASTER_PGSQL_PORT',
      kind: 'integer',
      summary: "Port of the master's database.",
      default: '5432',
    },
    { name: 'MASTER_PGSQL_DATABASE', kind: 'text', summary: "Name of the master's database." },
    {
      name: 'MASTER_PGSQL_SCHEMA',
      kind: 'text',
      summary: 'Schema of the monitor tables.',
      default: 'public',
    },
    { name: 'MASTER_PGSQL_USERNAME', kind: 'text', summary: "User of the master's database." },
    {
      name: 'MASTER_PGSQL_PASSWORD',
      kind: 'secret',
      summary: "Password of the user of the master\'s database.",
    },
  ],
  'Fastly: purged when URL, service, token and keys are all set': [
    {
      name: 'FASTLY_PURGE_URL',
      kind: 'text',
      summary: 'The purge URL; its first {} is the service, a {{}} is the surrogate key.',
    },
    { name: 'FASTLY_SERVICEID', kind: 'text', summary: "The service's id at Fastly." },
    { name: 'FASTLY_API_TOKEN', kind: 'secret', summary: 'The token of the Fastly API.' },
    {
      name: 'FASTLY_SURROGATE_KEY',
      kind: 'list',
      summary:
        'Keys to purge after a layer changed, also for each group that shows it; the first {} is its workspace, the second its name.',
    },
    {
      name: 'FASTLY_SOFT_PURGE',
      kind: 'flag',
      summary: 'Mark as stale instead of removing.',
      default: 'false',
    },
  ],
  'The state repository and the record': [
    {
      name: 'STATE_REPOSITORY_ROOT',
      kind: 'text',
      summary: 'The clone of the state repository.',
      otherwise: 'the repository one stands in',
    },
    {
      name: 'STATE_BRANCH',
      kind: 'text',
      summary: 'The branch that is followed.',
      otherwise: "default (Mercurial), the remote's HEAD (Git)",
    },
    {
      name: 'SYNC_STATUS_PATH',
      kind: 'text',
      summary: 'The folder of the record of what this slave has applied.',
      otherwise:
        'code/.sync_status in the state repository where code/ exists, else under /var/lib/slave-sync (root) or $XDG_STATE_HOME/slave-sync',
    },
    {
      name: 'POLL_INTERVAL',
      kind: 'integer',
      summary: 'Seconds between two pulls of the daemon.',
      default: '60',
    },
    {
      name: 'CODE_BRANCH',
      kind: 'text',
      summary:
        'The branch from which the program updates itself before a sync, where it runs from a Git checkout.',
    },
  ],
  'How a run behaves': [
    {
      name: 'ON_FAILURE',
      kind: 'text',
      summary: 'What a failed job does to the pull: rollback refuses it, accept keeps it.',
      default: 'rollback',
    },
    {
      name: 'MAX_REMOVALS',
      kind: 'integer',
      summary: 'A run that would remove more jobs than this stops before it changes anything.',
      otherwise: '10, or a quarter of what is applied when that is more',
    },
    {
      name: 'ALLOW_LOOPBACK_WMS',
      kind: 'flag',
      summary:
        'WMS stores may name this machine (localhost, 127.0.0.1, ::1) and link-local addresses (169.254.0.0/16, fe80::/10).',
      default: 'false',
    },
    {
      name: 'MAX_TRANSFERS_PER_HOST',
      kind: 'integer',
      summary: 'Transfers at the same time from one host.',
      default: '2',
    },
    {
      name: 'MAX_RESTORES',
      kind: 'integer',
      summary: 'Restores at the same time.',
      otherwise: 'the number of processor cores, at most 4',
    },
    {
      name: 'MAX_GEOSERVER_WRITERS',
      kind: 'integer',
      summary: 'Changes at the same time on one GeoServer.',
      default: '2',
    },
    {
      name: 'MAX_GEOSERVER_READERS',
      kind: 'integer',
      summary: 'Readings at the same time from one GeoServer.',
      default: '4',
    },
    { name: 'MAX_CDN_REQUESTS', kind: 'integer', summary: 'Purges at the same time.', default: '4' },
    {
      name: 'GRACE_SECONDS',
      kind: 'integer',
      summary:
        'How long a stopped run may take to end its tasks: more than the 30 s that Mercurial gets to roll back, less than the stopwaitsecs of supervisor.',
      default: '40',
    },
    { name: 'LOG_FORMAT', kind: 'text', summary: 'json or pretty.', default: 'pretty' },
    {
      name: 'LOG_LEVEL',
      kind: 'text',
      summary: 'debug, info, warn or error.',
      otherwise: 'info; debug with DEBUG',
    },
    { name: 'DEBUG', kind: 'flag', summary: 'Log everything.', default: 'false' },
    {
      name: 'ROLLBACK',
      kind: 'flag',
      summary: 'For tests: do everything, then refuse the pull.',
      default: 'false',
    },
    { name: 'INCLUDE', kind: 'list', summary: 'For tests: only these task files, separated by commas.' },
  ],
} as const satisfies Record<string, readonly Variable[]>;

type AnyVariable = (typeof VARIABLE_GROUPS)[keyof typeof VARIABLE_GROUPS][number];

/** A variable's name; `VariableName<'flag'>` is the name of any flag. */
export type VariableName<K extends Kind = Kind> = Extract<AnyVariable, { readonly kind: K }>['name'];

export const VARIABLES: readonly (Variable & { readonly name: VariableName })[] =
  Object.values(VARIABLE_GROUPS).flat();

const BY_NAME = new Map(VARIABLES.map((variable) => [variable.name, variable]));

/** The variable's default as a file would write it; undefined where there is none or it is not one fixed text. */
export function defaultOf(name: VariableName): string | undefined {
  return BY_NAME.get(name)?.default;
}

export function isVariable(name: string): name is VariableName {
  return VARIABLES.some((variable) => variable.name === name);
}
