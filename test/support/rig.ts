import { createHash } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { md5File } from '../../src/transfer/md5.js';
import { run } from '../../src/lib/process.js';
import { geoserver, type TestGeoServer } from './geoserver/index.js';
import { postgres, type Row, type TestDatabase } from './postgres.js';
import { command, makeRepository, must, vcsEnvironment, type CommandOutcome } from './repository.js';
import { sshd } from './sshd.js';
import { tempDir } from './temp.js';

export interface RigOptions {
  readonly vcs?: 'hg' | 'git';
  /** How the slave's clone reaches the master's repository: by its path, or by ssh as in real life. Data always come by ssh. */
  readonly reach?: 'path' | 'ssh';
  /** Added to the slave's `.env`, over what the rig sets. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Rig {
  readonly vcs: 'hg' | 'git';
  /** The master's working copy of the state repository. */
  readonly upstream: string;
  /** The slave's clone of it, with its settings in `code/.env`. */
  readonly clone: string;
  /** Where the master keeps dumps, styles and meta files. */
  readonly dataRoot: string;
  /** `user@host:`, to put before a path of the master's. */
  readonly remote: string;
  readonly masterDatabase: TestDatabase;
  readonly slaveDatabase: TestDatabase;
  readonly geoserver: TestGeoServer;
  /** Writes a file of the master's data, and gives what a task file says of it. */
  store(path: string, content: string | Buffer): Promise<{ readonly file: string; readonly md5: string }>;
  /** The same with a file of any size. */
  storeFile(path: string, from: string): Promise<{ readonly file: string; readonly md5: string }>;
  /** Writes (or, for null, deletes) files in the master's repository and commits them: what `publish` can't write. */
  commit(files: Readonly<Record<string, string | Buffer | null>>, message?: string): Promise<string>;
  /** `slave-sync publish …` on the master, with its database, its files and its repository. */
  publish(...args: readonly string[]): Promise<CommandOutcome>;
  /** Any program in the slave's clone, with nothing of the caller's environment but PATH. */
  exec(program: string, ...args: readonly string[]): Promise<CommandOutcome>;
  /** `slave-sync …` in the slave's clone. */
  cli(...args: readonly string[]): Promise<CommandOutcome>;
  /** `hg pull` or `git pull` in the slave's clone, as an operator types it. */
  pull(): Promise<CommandOutcome>;
  /** Replaces settings in the slave's `.env`. */
  configure(env: Readonly<Record<string, string>>): Promise<void>;
  /** All rows of a view or table of the slave's. */
  rows<T extends Row = Row>(relation: string): Promise<T[]>;
  close(): Promise<void>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The built program. */
export const CLI = join(ROOT, 'dist/cli.js');

let built: Promise<unknown> | undefined;

/** What `publish` needs the master's data folder for. */
const WITH_DATA = new Set(['feature', 'meta']);

/** A master and a slave with everything real between them, but GeoServer where none is given; uses the built program. */
export async function makeRig(options: RigOptions = {}): Promise<Rig> {
  const vcs = options.vcs ?? 'hg';
  built ??= run(process.execPath, [join(ROOT, 'scripts/prepare.mjs'), '--build']);
  await built;
  const [cluster, ssh, server, repository] = await Promise.all([
    postgres(),
    sshd(),
    geoserver(),
    makeRepository(vcs),
  ]);
  const [masterDatabase, slaveDatabase, dataRoot, home] = await Promise.all([
    cluster.createDatabase(),
    cluster.createDatabase(),
    tempDir('data'),
    tempDir('home'),
  ]);
  const { upstream, clone } = repository;
  const remote = `${ssh.user}@${ssh.host}:`;
  if (options.reach === 'ssh')
    await reachBySsh(vcs, clone, `ssh://${ssh.user}@${ssh.host}`, upstream, ssh.sshCommand);

  let settings: Readonly<Record<string, string>> = {
    SLAVE_NAME: 'rig',
    LISTEN_CHANNELS: 'dpaw',
    BORG_SSH: ssh.sshCommand,
    GEOSERVER_URL: server.url,
    GEOSERVER_USERNAME: server.username,
    GEOSERVER_PASSWORD: server.password,
    // Servers that tests cascade are here, too.
    ALLOW_LOOPBACK_WMS: 'true',
    ...databaseSettings('GEOSERVER_PGSQL', slaveDatabase),
    ...databaseSettings('MASTER_PGSQL', masterDatabase),
    ...options.env,
  };
  const configure = async (env: Readonly<Record<string, string>>): Promise<void> => {
    settings = { ...settings, ...env };
    const lines = Object.entries(settings).map(([name, value]) => `${name}="${value}"\n`);
    await mkdir(join(clone, 'code'), { recursive: true });
    await writeFile(join(clone, 'code/.env'), lines.join(''), { mode: 0o600 });
  };
  await configure({});

  const base = { PATH: process.env['PATH'] ?? '', HOME: home, USER: userInfo().username, LANG: 'C.UTF-8' };
  const execute = (
    cwd: string,
    env: Readonly<Record<string, string>>,
    program: string,
    args: readonly string[],
  ): Promise<CommandOutcome> => {
    // Nothing of the caller's environment: an operator's GEOSERVER_URL or PGHOST would win over the rig's settings.
    const pairs = Object.entries({ ...base, ...vcsEnvironment, ...env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    return command('env', ['-i', ...pairs, program, ...args], cwd);
  };
  return {
    vcs,
    upstream,
    clone,
    dataRoot,
    remote,
    masterDatabase,
    slaveDatabase,
    geoserver: server,
    storeFile: async (path, from) => {
      const file = join(dataRoot, path);
      await mkdir(dirname(file), { recursive: true });
      await copyFile(from, file);
      return { file: `${remote}${file}`, md5: (await md5File(file)).md5 };
    },
    store: async (path, content) => {
      const file = join(dataRoot, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      return { file: `${remote}${file}`, md5: createHash('md5').update(content).digest('hex') };
    },
    commit: (files, message) => repository.commit(files, message),
    publish: (...args) =>
      execute(upstream, libpqEnvironment(masterDatabase), process.execPath, [
        ...[CLI, 'publish', ...args, '--channel', 'dpaw'],
        ...(WITH_DATA.has(args[0] ?? '') ? ['--data-root', dataRoot, '--remote', remote] : []),
      ]),
    exec: (program, ...args) => execute(clone, {}, program, args),
    cli: (...args) => execute(clone, {}, process.execPath, [CLI, ...args]),
    pull: () =>
      vcs === 'hg'
        ? execute(clone, {}, 'hg', ['pull'])
        : execute(clone, {}, 'git', ['pull', '--ff-only', '--no-tags', 'origin']),
    configure,
    rows: (relation) => slaveDatabase.query(`SELECT * FROM ${relation}`),
    close: async () => {
      await server.close();
      await Promise.all([masterDatabase.drop(), slaveDatabase.drop()]);
    },
  };
}

async function reachBySsh(
  vcs: 'hg' | 'git',
  clone: string,
  host: string,
  upstream: string,
  ssh: string,
): Promise<void> {
  if (vcs === 'hg') {
    // Two slashes: an absolute path.
    const hgrc = `[paths]\ndefault = ${host}/${upstream}\n\n[ui]\nssh = ${ssh}\n`;
    await writeFile(join(clone, '.hg/hgrc'), hgrc);
    return;
  }
  await must('git', ['remote', 'set-url', 'origin', `${host}${upstream}`], clone);
  await must('git', ['config', 'core.sshCommand', ssh], clone);
}

function databaseSettings(
  prefix: 'GEOSERVER_PGSQL' | 'MASTER_PGSQL',
  database: TestDatabase,
): Record<string, string> {
  return {
    [`${prefix}_HOST`]: database.host,
    [`${prefix}_PORT`]: String(database.port),
    [`${prefix}_DATABASE`]: database.name,
    [`${prefix}_USERNAME`]: database.user,
    [`${prefix}_PASSWORD`]: database.password,
  };
}

function libpqEnvironment(database: TestDatabase): Record<string, string> {
  return {
    PGHOST: database.host,
    PGPORT: String(database.port),
    PGDATABASE: database.name,
    PGUSER: database.user,
    PGPASSWORD: database.password,
  };
}
