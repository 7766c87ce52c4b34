import { randomBytes } from 'node:crypto';
import { chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { postgresBin } from '../../scripts/programs.mjs';
import { run } from '../../src/lib/process.js';
import { copyShared, isWanted, share } from './cluster-copy.js';
import { startDaemon, until, type Daemon } from './daemon.js';
import { freePort } from './port.js';
import { tempDir, type OtherUser } from './temp.js';

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';
const TEMPLATE = 'template_postgis';
const RECOVERY_MS = 30_000;

export type Row = Record<string, unknown>;

export interface TestDatabase {
  readonly name: string;
  readonly host: typeof HOST;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** A connection of the superuser's, or of another role's; the caller ends it. */
  client(as?: { readonly user: string; readonly password: string }): Promise<pg.Client>;
  query<T extends Row = Row>(sql: string, params?: readonly unknown[]): Promise<T[]>;
  /** Ends every connection to it. */
  drop(): Promise<void>;
}

export interface TestCluster {
  readonly host: typeof HOST;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Where initdb, pg_dump and the like of this server's version are. */
  readonly binDir: string;
  superuserUrl(db?: string): string;
  /** A connection of the superuser's to no database of a test's; the caller ends it. */
  admin(): Promise<pg.Client>;
  createDatabase(options?: { readonly postgis?: boolean }): Promise<TestDatabase>;
  /** 'immediate' is the next best thing to a power failure: the next start() recovers from the log. */
  stop(mode: 'smart' | 'fast' | 'immediate'): Promise<void>;
  /** Starts a stopped cluster again, on the same port. */
  start(): Promise<void>;
  /** kill -9 of one server process; the server then ends all the others and recovers. */
  killBackend(pid: number): void;
  /** Waits until it takes connections again. */
  ready(): Promise<void>;
}

let cluster: Promise<TestCluster> | undefined;

/** A throw-away PostgreSQL cluster with PostGIS: one per process, made at the first call, stopped and deleted at exit. */
export async function postgres(): Promise<TestCluster> {
  cluster ??= createCluster();
  return cluster;
}

async function createCluster(): Promise<TestCluster> {
  const binDir = postgresBin();
  if (binDir === undefined)
    throw new Error('PostgreSQL 15 or newer with PostGIS is not installed: run `npm test`');
  const user = await unprivilegedUser();
  const dir = await tempDir('postgres');
  const data = join(dir, 'data');
  const logFile = join(dir, 'log');
  await writeFile(logFile, '');
  if (user) for (const path of [dir, logFile]) await chown(path, user.uid, user.gid);
  const isCopy = await copyShared(dir);
  if (!isCopy) await initialise(binDir, dir, user);
  const password = await readFile(join(dir, 'password'), 'utf8');

  const connect = (port: number, database: string, as = { user: SUPERUSER, password }): Promise<pg.Client> =>
    connected(new pg.Client({ host: HOST, port, database, ...as }));
  const answers = async (port: number): Promise<boolean> => {
    try {
      await (await connect(port, 'postgres')).end();
      return true;
    } catch {
      return false;
    }
  };
  const startOn = (port: number): Promise<Daemon> =>
    startDaemon({
      file: join(binDir, 'postgres'),
      args: ['-D', data, ...settings(port)],
      logFile,
      endSignal: 'SIGQUIT',
      user,
      ready: () => answers(port),
    });

  let port = await freePort();
  let daemon = await startOn(port).catch(async () => {
    // Another process was quicker with this port.
    port = await freePort();
    return startOn(port);
  });
  if (!isCopy) await createTemplate(await connect(port, 'postgres'), () => connect(port, TEMPLATE));
  if (isWanted()) {
    await daemon.stop(STOP_SIGNALS.fast);
    await share(dir);
    daemon = await startOn(port);
  }

  let databases = 0;
  return {
    host: HOST,
    port,
    user: SUPERUSER,
    password,
    binDir,
    superuserUrl: (db = 'postgres') => `postgres://${SUPERUSER}:${password}@${HOST}:${port}/${db}`,
    admin: () => connect(port, 'postgres'),
    createDatabase: async ({ postgis = true } = {}) => {
      const name = `test_${++databases}`;
      const admin = await connect(port, 'postgres');
      try {
        await admin.query(`CREATE DATABASE ${name} TEMPLATE ${postgis ? TEMPLATE : 'template0'}`);
      } finally {
        await admin.end();
      }
      return testDatabase(name, port, password, (database, as) => connect(port, database, as));
    },
    stop: (mode) => daemon.stop(STOP_SIGNALS[mode]),
    start: async () => {
      daemon = await startOn(port);
    },
    killBackend: (pid) => process.kill(pid, 'SIGKILL'),
    ready: async () => {
      if (!(await until(() => answers(port), RECOVERY_MS))) throw new Error('PostgreSQL does not come back');
    },
  };
}

const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

async function initialise(binDir: string, dir: string, user: OtherUser | undefined): Promise<void> {
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, randomBytes(12).toString('hex'), { mode: 0o600 });
  if (user) await chown(passwordFile, user.uid, user.gid);
  await run(
    ...asUser(user, join(binDir, 'initdb'), [
      ...['--pgdata', join(dir, 'data'), '--username', SUPERUSER, '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-sync'],
    ]),
    { cwd: dir, timeoutMs: 60_000 },
  );
}

/** No fsync: these data need not outlive the machine. Commits stay synchronous, so that 'immediate' loses none. */
function settings(port: number): string[] {
  return Object.entries({
    port,
    listen_addresses: HOST,
    unix_socket_directories: '',
    max_connections: 200,
    fsync: 'off',
    full_page_writes: 'off',
    autovacuum_naptime: '10min',
    log_min_messages: 'warning',
    jit: 'off',
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function createTemplate(admin: pg.Client, connectToIt: () => Promise<pg.Client>): Promise<void> {
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE} TEMPLATE template0`);
    const client = await connectToIt();
    await client.query('CREATE EXTENSION postgis').finally(() => client.end());
  } finally {
    await admin.end();
  }
}

function testDatabase(
  name: string,
  port: number,
  password: string,
  connect: (
    database: string,
    as?: { readonly user: string; readonly password: string },
  ) => Promise<pg.Client>,
): TestDatabase {
  const query = async <T extends Row>(
    database: string,
    sql: string,
    params?: readonly unknown[],
  ): Promise<T[]> => {
    const client = await connect(database);
    try {
      return (await client.query<T>(sql, params ? [...params] : undefined)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    name,
    host: HOST,
    port,
    user: SUPERUSER,
    password,
    client: (as) => connect(name, as),
    query: (sql, params) => query(name, sql, params),
    drop: async () => {
      await query('postgres', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function connected(client: pg.Client): Promise<pg.Client> {
  // Without a listener, a server that goes away while the connection is idle would end the process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** PostgreSQL refuses to run as root: the user of Debian's packages then, or nobody. */
async function unprivilegedUser(): Promise<OtherUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const { stdout } = await run('getent', ['passwd', name], { okCodes: [0, 2] });
    const [, , uid, gid] = stdout.toString('utf8').split(':');
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}

function asUser(user: OtherUser | undefined, file: string, args: string[]): [string, string[]] {
  if (!user) return [file, args];
  return ['setpriv', [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--', file, ...args]];
}
