import { resolve } from 'node:path';
import { LOG_LEVELS, type LogFormat, type LogLevel } from './lib/log.js';
import { Secret } from './lib/secret.js';
import type { FilterSetting } from './jobs/filters/filter.js';
import {
  checkAbsolute,
  checkBranch,
  checkChannel,
  checkHttpUrl,
  checkServer,
  checkTemplate,
  normaliseTemplate,
} from './config/checks.js';
import { readFilters } from './config/filters.js';
import { defaultFolders, isInsidePackage } from './config/folders.js';
import { readGeoServers, type GeoServerSetting } from './config/geoservers.js';
import type { Machine } from './config/machine.js';
import {
  Reader,
  splitList,
  type ConfigProblem,
  type EffectiveSetting,
  type Source,
} from './config/reader.js';
import { defaultOf, VARIABLES, type VariableName } from './config/variables.js';

export type { ConfigProblem, Source } from './config/reader.js';
export type { GeoServerSetting } from './config/geoservers.js';

export interface DatabaseSetting {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly schema: string;
  readonly user: string;
}

export interface Config {
  readonly slaveName: string;
  readonly repositoryRoot: string;
  readonly branch?: string;
  /** ssh command for the state repository, and the one for rsync. */
  readonly stateSsh: string;
  readonly dataSsh: string;
  /** Set on a portal slave: all data comes from this peer. `host` is `user@host`. */
  readonly syncServer?: { readonly host: string; readonly path: string };
  readonly codeBranch?: string;
  readonly channels: readonly string[];
  /** Only these task files, where set. */
  readonly include?: readonly string[];
  /** Do everything, then refuse the pull. */
  readonly rollback: boolean;
  readonly debug: boolean;
  readonly geoservers: readonly GeoServerSetting[];
  readonly geoserverSharingDataDir: boolean;
  /** Templates: each `{}` stands for the workspace. */
  readonly workspaceNamespace: string;
  readonly dataStoreName: string;
  readonly defaultCrs: string;
  readonly database: DatabaseSetting & { readonly password: Secret };
  /** Absent when host, database or user is missing: then nothing is reported. */
  readonly master?: DatabaseSetting & { readonly password: Secret | undefined };
  readonly skip: {
    readonly auth: boolean;
    readonly rules: boolean;
    readonly db: boolean;
    readonly gs: boolean;
  };
  readonly filters: {
    readonly feature: FilterSetting;
    readonly wms: FilterSetting;
    readonly layergroup: FilterSetting;
  };
  readonly cachePath: string;
  readonly cacheMaxBytes: number;
  /** The folder of the record. */
  readonly statePath: string;
  readonly pollIntervalSeconds: number;
  readonly onFailure: 'rollback' | 'accept';
  readonly shareLayerData: boolean;
  readonly sharePreviewData: boolean;
  readonly localDataRoot?: string;
  /** Templates as Python's str.format reads them; see FASTLY_PURGE_URL and FASTLY_SURROGATE_KEY. */
  readonly cdn?: {
    readonly purgeUrl: string;
    readonly serviceId: string;
    readonly token: Secret;
    readonly surrogateKeys: readonly string[];
    readonly softPurge: boolean;
  };
  readonly authDatabases: readonly string[];
  readonly authUser?: string;
  readonly authPassword?: Secret;
  readonly pgBinDir?: string;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly maxRemovals?: number;
  readonly allowLoopbackWms: boolean;
  /** How many of each may run at the same time. */
  readonly limits: {
    readonly transfersPerHost: number;
    readonly restores: number;
    readonly geoserverWriters: number;
    readonly geoserverReaders: number;
    readonly cdn: number;
  };
  readonly graceSeconds: number;
  readonly warnings: readonly string[];
  /** What each variable came to and where from, for `describeConfig`. */
  readonly settings: ReadonlyMap<VariableName, EffectiveSetting>;
}

export interface ConfigOptions {
  readonly machine: Machine;
  /** The repository one stands in, used when STATE_REPOSITORY_ROOT is not set. */
  readonly repositoryRoot?: string | undefined;
  /** Where each value of `env` came from; 'environment' unless said otherwise. */
  readonly sources?: Readonly<Record<string, Source>>;
  /** What reading the environment file found, to be told together with the rest. */
  readonly problems?: readonly ConfigProblem[];
  readonly warnings?: readonly string[];
}

export type ConfigResult =
  | { readonly ok: true; readonly value: Config }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] };

/**
 * Turns the environment into the typed configuration, or says everything that is wrong with it at once. Reads nothing but
 * its arguments (it is asynchronous because the parser of filters is loaded only where an operator's filter needs it).
 */
export async function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: ConfigOptions,
): Promise<ConfigResult> {
  const reader = new Reader(env, options.sources ?? {});
  const root = readRepositoryRoot(reader, options.repositoryRoot);
  const folders = defaultFolders(root, options.machine, env['XDG_STATE_HOME']);
  const syncServer = reader.optional('SYNC_SERVER', checkServer);
  const debug = reader.flag('DEBUG');
  const sshCommand = reader.text('BORG_SSH');
  const values: Omit<Config, 'warnings' | 'settings'> = {
    slaveName: reader.text('SLAVE_NAME', undefined, options.machine.hostName),
    repositoryRoot: root,
    ...present('branch', reader.optional('STATE_BRANCH', checkBranch)),
    stateSsh: reader.text('BORG_STATE_SSH', undefined, sshCommand),
    dataSsh: reader.text('BORGCOLLECTOR_SSH', undefined, sshCommand),
    ...readSyncServer(reader, syncServer),
    ...present('codeBranch', reader.optional('CODE_BRANCH', checkBranch)),
    channels: unique(reader.list('LISTEN_CHANNELS', checkChannel)),
    ...present('include', reader.optionalList('INCLUDE')),
    rollback: readRollback(reader),
    debug,
    geoservers: readGeoServers(reader),
    geoserverSharingDataDir: reader.flag('GEOSERVER_SHARING_DATA_DIR'),
    workspaceNamespace: normaliseTemplate(reader.text('GEOSERVER_WORKSPACE_NAMESPACE', checkTemplate)),
    dataStoreName: normaliseTemplate(reader.text('GEOSERVER_DATASTORE_NAMESPACE', checkTemplate)),
    defaultCrs: reader.text('GEOSERVER_DEFAULT_CRS'),
    database: {
      host: reader.text('GEOSERVER_PGSQL_HOST'),
      port: reader.integer('GEOSERVER_PGSQL_PORT', PORTS),
      database: reader.text('GEOSERVER_PGSQL_DATABASE'),
      schema: reader.text('GEOSERVER_PGSQL_SCHEMA'),
      user: reader.text('GEOSERVER_PGSQL_USERNAME'),
      password: reader.secret('GEOSERVER_PGSQL_PASSWORD') ?? new Secret(''),
    },
    ...readMaster(reader),
    skip: {
      auth: reader.flag('SKIP_AUTH'),
      rules: reader.flag('SKIP_RULES'),
      db: reader.flag('SKIP_DB'),
      gs: reader.flag('SKIP_GS'),
    },
    filters: await readFilters(reader, syncServer !== undefined),
    cachePath: readFolder(reader, 'CACHE_PATH', folders.cache),
    cacheMaxBytes: reader.size('CACHE_MAX_BYTES'),
    statePath: readFolder(reader, 'SYNC_STATUS_PATH', folders.status),
    pollIntervalSeconds: reader.integer('POLL_INTERVAL', { min: 1, max: 86_400 }),
    onFailure: reader.choice('ON_FAILURE', ['rollback', 'accept']),
    shareLayerData: reader.flag('SHARE_LAYER_DATA'),
    sharePreviewData: reader.flag('SHARE_PREVIEW_DATA'),
    ...present('localDataRoot', reader.optional('LOCAL_DATA_ROOT', checkAbsolute)),
    ...readCdn(reader),
    authDatabases: reader.optionalList('AUTH_DATABASES') ?? [],
    ...present('authUser', reader.optional('AUTH_PGSQL_USERNAME')),
    ...present('authPassword', reader.secret('AUTH_PGSQL_PASSWORD')),
    ...present('pgBinDir', reader.optional('PG_BIN_DIR', checkAbsolute)),
    logFormat: reader.choice('LOG_FORMAT', ['pretty', 'json']),
    logLevel: reader.choice('LOG_LEVEL', LOG_LEVELS, debug ? 'debug' : 'info'),
    ...present('maxRemovals', reader.optionalInteger('MAX_REMOVALS', { min: 0 })),
    allowLoopbackWms: reader.flag('ALLOW_LOOPBACK_WMS'),
    limits: {
      transfersPerHost: reader.integer('MAX_TRANSFERS_PER_HOST', CONCURRENCY),
      restores: reader.integer('MAX_RESTORES', CONCURRENCY, Math.min(4, Math.max(1, options.machine.cores))),
      geoserverWriters: reader.integer('MAX_GEOSERVER_WRITERS', CONCURRENCY),
      geoserverReaders: reader.integer('MAX_GEOSERVER_READERS', CONCURRENCY),
      cdn: reader.integer('MAX_CDN_REQUESTS', CONCURRENCY),
    },
    graceSeconds: reader.integer('GRACE_SECONDS', { min: 0, max: 3_600 }),
  };
  const errors = [...(options.problems ?? []), ...reader.problems];
  if (errors.length > 0) return { ok: false, errors };
  const warnings = [...(options.warnings ?? []), ...reader.warnings];
  return { ok: true, value: { ...values, warnings, settings: reader.settings } };
}

/** One row per variable in the order of `.env.example`; passwords and tokens show as `***`. */
export function describeConfig(
  config: Config,
): { readonly variable: VariableName; readonly value: string; readonly source: Source }[] {
  return VARIABLES.map(({ name }) => {
    const { value = '', source } = config.settings.get(name) ?? { source: 'default' };
    return { variable: name, value: value.toString(), source };
  });
}

/** Every secret of the configuration, for the Redactor, without the documented defaults: they are common words. */
export function secretsOf(config: Config): string[] {
  return [...config.settings].flatMap(([name, { value }]) => {
    if (!(value instanceof Secret)) return [];
    const secrets = new Set([value.reveal(), ...splitList(value.reveal())]);
    return [...secrets].filter((secret) => secret !== defaultOf(name));
  });
}

const PORTS = { min: 1, max: 65_535 };
const CONCURRENCY = { min: 1, max: 64 };

function readRepositoryRoot(reader: Reader, fallback: string | undefined): string {
  const root = reader.optional('STATE_REPOSITORY_ROOT', checkAbsolute, fallback);
  if (root === undefined && !reader.isSet('STATE_REPOSITORY_ROOT'))
    reader.problem('STATE_REPOSITORY_ROOT', 'is not set, and this folder is in no repository');
  return resolve(root ?? '/');
}

function readFolder(reader: Reader, name: 'CACHE_PATH' | 'SYNC_STATUS_PATH', fallback: string): string {
  const check = (value: string): string | undefined =>
    checkAbsolute(value) ??
    (isInsidePackage(value) ? 'is inside an installed package, which the next update deletes' : undefined);
  return resolve('/', reader.text(name, check, fallback));
}

function readSyncServer(reader: Reader, host: string | undefined): Pick<Config, 'syncServer'> {
  const path = reader.text('SYNC_PATH', checkAbsolute);
  return host === undefined ? {} : { syncServer: { host, path } };
}

function readRollback(reader: Reader): boolean {
  const rollback = reader.flag('ROLLBACK');
  if (rollback) reader.warnings.push('ROLLBACK is on: every pull is refused after everything was done');
  return rollback;
}

function readMaster(reader: Reader): Pick<Config, 'master'> {
  const host = reader.optional('MASTER_PGSQL_HOST');
  const database = reader.optional('MASTER_PGSQL_DATABASE');
  const user = reader.optional('MASTER_PGSQL_USERNAME');
  const port = reader.integer('MASTER_PGSQL_PORT', PORTS);
  const schema = reader.text('MASTER_PGSQL_SCHEMA');
  const password = reader.secret('MASTER_PGSQL_PASSWORD');
  warnWhenPartial(reader, 'nothing is reported to the master', [
    'MASTER_PGSQL_HOST',
    'MASTER_PGSQL_DATABASE',
    'MASTER_PGSQL_USERNAME',
  ]);
  if (host === undefined || database === undefined || user === undefined) return {};
  return { master: { host, port, database, schema, user, password } };
}

function readCdn(reader: Reader): Pick<Config, 'cdn'> {
  const purgeUrl = reader.optional('FASTLY_PURGE_URL', checkHttpUrl);
  const serviceId = reader.optional('FASTLY_SERVICEID');
  const token = reader.secret('FASTLY_API_TOKEN');
  const surrogateKeys = reader.optionalList('FASTLY_SURROGATE_KEY');
  const softPurge = reader.flag('FASTLY_SOFT_PURGE');
  warnWhenPartial(reader, 'nothing is purged', [
    'FASTLY_PURGE_URL',
    'FASTLY_SERVICEID',
    'FASTLY_API_TOKEN',
    'FASTLY_SURROGATE_KEY',
  ]);
  if (purgeUrl === undefined || serviceId === undefined || token === undefined || surrogateKeys === undefined)
    return {};
  return { cdn: { purgeUrl, serviceId, token, surrogateKeys, softPurge } };
}

function warnWhenPartial(reader: Reader, effect: string, names: readonly VariableName[]): void {
  const missing = names.filter((name) => !reader.isSet(name));
  if (missing.length > 0 && missing.length < names.length)
    reader.warnings.push(`${missing.join(', ')} not set: ${effect}`);
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}

/** An optional property: absent when there is no value, as exactOptionalPropertyTypes wants it. */
function present<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  const property: Partial<Record<K, V>> = {};
  if (value !== undefined) property[key] = value;
  return property;
}
