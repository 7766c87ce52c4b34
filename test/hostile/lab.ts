import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { chmod, lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { qualified, quoteName } from '../../src/pgdump/names.js';
import { run } from '../../src/lib/process.js';
import { publishTables, succeeds, taskFile } from '../e2e/master.js';
import { postgres, type Row, type TestDatabase } from '../support/postgres.js';
import { makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';

export interface Reference {
  readonly file: string;
  readonly md5: string;
}

/** A slave with a good layer `ws1.good` and things of others, which no task file of the corpus may touch. */
export interface Lab {
  readonly rig: Rig;
  /** A folder that everybody may write to, and nobody should. */
  readonly canary: string;
  /** A database of the same cluster that the slave has nothing to do with. */
  readonly otherDatabase: TestDatabase;
  readonly goodDump: Reference;
  /** Makes a table of three points in the master's database and dumps it, with more clauses in its definition if given. */
  dump(schema: string, table: string, more?: string): Promise<Reference>;
  /** The same, as bytes. */
  dumpBytes(schema: string, table: string, more?: string): Promise<Buffer>;
  /** pg_dump of the master's database with these arguments. */
  pgDump(...args: readonly string[]): Promise<Buffer>;
  /** A file of the master's. */
  store(content: string | Buffer, extension: string): Promise<Reference>;
  /** The rows through the view, and the layer in GeoServer. */
  expectLayer(workspace: string, schema: string, name: string): Promise<void>;
  /** Everything that has to stay as it is. */
  observe(): Promise<Observation>;
  close(): Promise<void>;
}

export interface Observation {
  /** Has to be the same afterwards, nothing more and nothing less. */
  readonly same: ReadonlyMap<string, string>;
  /** Has to be there afterwards, whatever came along. */
  readonly kept: ReadonlyMap<string, string>;
}

export const GOOD = taskFile('good');

export async function makeLab(): Promise<Lab> {
  const rig = await makeRig({ env: { ON_FAILURE: 'accept', MAX_REMOVALS: '1000', ALLOW_LOOPBACK_WMS: '' } });
  succeeds(await rig.cli('init'));
  const cluster = await postgres();
  const [canary, otherDatabase] = await Promise.all([tempDir('canary'), cluster.createDatabase()]);
  await chmod(canary, 0o777);
  await writeFile(join(canary, 'secret'), 'SECRET-OF-SOMEBODY-ELSE\n');
  await rig.slaveDatabase.query(OTHERS);
  await otherDatabase.query(`CREATE TABLE public.canary AS SELECT 'other'::text AS owner`);
  await publishTables(rig, 'good');
  succeeds(await rig.pull());
  const task = JSON.parse(await readFile(join(rig.upstream, GOOD), 'utf8')) as { data: Reference };
  let files = 0;

  const lab: Lab = {
    rig,
    canary,
    otherDatabase,
    goodDump: task.data,
    store: (content, extension) => rig.store(`hostile/${++files}.${extension}`, content),
    dump: async (schema, table, more) => lab.store(await lab.dumpBytes(schema, table, more), 'db'),
    dumpBytes: async (schema, table, more = '') => {
      const address = qualified(schema, table);
      const shape = `(id int, wkb_geometry geometry(Point, 4326)${more})`;
      await rig.masterDatabase.query(`CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`);
      await rig.masterDatabase.query(`DROP TABLE IF EXISTS ${address}`);
      await rig.masterDatabase.query(`CREATE TABLE ${address} ${shape}`);
      await rig.masterDatabase.query(
        `INSERT INTO ${address} (id, wkb_geometry)
           SELECT i, ST_SetSRID(ST_Point(115 + i, -32), 4326) FROM generate_series(1, 3) AS i`,
      );
      return lab.pgDump(`--table=${address}`);
    },
    pgDump: async (...args) => {
      const { host, port, user, password, name } = rig.masterDatabase;
      const file = join(await tempDir('dump'), 'dump');
      await run(join(cluster.binDir, 'pg_dump'), ['--format=custom', `--file=${file}`, ...args], {
        env: {
          ...{ PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: name },
        },
      });
      return readFile(file);
    },
    expectLayer: async (workspace, schema, name) => {
      expect(await rig.rows(qualified(schema, name)), name).to.have.lengthOf(3);
      const found = rig.geoserver.standIn?.catalog.workspaces.get(workspace)?.resources.get(name);
      expect(found, `${workspace}:${name} in GeoServer`).not.to.equal(undefined);
    },
    observe: async () => ({
      same: new Map([...(await filesOf(lab)), ...(await tablesOf(lab))]),
      kept: new Map([...(await rolesOf(rig.slaveDatabase)), ...catalogOf(rig)]),
    }),
    close: async () => {
      await rig.close();
      await otherDatabase.drop();
    },
  };
  return lab;
}

/** A table of the operator's own, a person's account, and a second administrator. */
const OTHERS = `
  CREATE TABLE public.canary AS SELECT 'operator'::text AS owner;
  CREATE SCHEMA operators; CREATE TABLE operators.canary AS SELECT 'operator'::text AS owner;
  CREATE TABLE operators.mine AS SELECT 'operator'::text AS owner;
  DO $$ BEGIN
    CREATE ROLE administrator SUPERUSER LOGIN;
    CREATE ROLE person LOGIN;
  EXCEPTION WHEN duplicate_object THEN NULL; END $$`;

async function tablesOf({ rig, otherDatabase }: Lab): Promise<[string, string][]> {
  const slave = rig.slaveDatabase;
  const all = async (what: string, sql: string, database = slave): Promise<[string, string]> => [
    what,
    JSON.stringify(await database.query(sql)),
  ];
  const relations = `SELECT n.nspname, c.relname, c.relkind, c.oid, c.relacl::text, c.relowner FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('ws1', 'ws1_data', 'ws1_outdated', 'public', 'operators') ORDER BY 1, 2, 3`;
  const functions = `SELECT p.oid, p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1`;
  return Promise.all([
    all('rows of the good layer', 'SELECT * FROM ws1.good ORDER BY id'),
    all(
      'rows of others',
      'SELECT * FROM public.canary UNION ALL SELECT * FROM operators.canary UNION ALL SELECT * FROM operators.mine',
    ),
    all('rows of another database', 'SELECT * FROM public.canary', otherDatabase),
    all('relations of another database', relations, otherDatabase),
    all('relations of others', relations),
    all('functions of others', functions),
    all(
      'schemas of others',
      `SELECT nspname, nspowner, nspacl::text FROM pg_namespace
        WHERE nspname IN ('ws1', 'ws1_data', 'ws1_outdated', 'public', 'operators') ORDER BY 1`,
    ),
    all('databases', 'SELECT oid, datname, datacl::text FROM pg_database ORDER BY 1'),
    all('extensions', 'SELECT extname, extversion FROM pg_extension ORDER BY 1'),
    all('event triggers', 'SELECT evtname FROM pg_event_trigger ORDER BY 1'),
    all('superusers', 'SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole ORDER BY 1'),
    all('settings of roles', 'SELECT * FROM pg_db_role_setting'),
  ]);
}

async function rolesOf(database: TestDatabase): Promise<[string, string][]> {
  const roles = await database.query(
    `SELECT a.rolname, a.*, ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                           WHERE m.member = a.oid ORDER BY 1)::text AS member_of
       FROM pg_authid a WHERE a.rolname !~ '^pg_' ORDER BY 1`,
  );
  // The slave's own account becomes a member of the reader roles that it makes.
  return roles
    .filter((role) => role['rolname'] !== database.user)
    .map((role: Row) => [`role ${String(role['rolname'])}`, JSON.stringify(role)]);
}

/** Every object of the stand-in's catalog, one by one. */
function catalogOf(rig: Rig): [string, string][] {
  const { catalog } = rig.geoserver.standIn ?? {};
  if (catalog === undefined) return [];
  const found: [string, string][] = [['access rules', catalog.rulesFile]];
  for (const [name, workspace] of catalog.workspaces) {
    found.push([`workspace ${name}`, workspace.uri]);
    for (const part of ['stores', 'resources', 'styles', 'groups'] as const)
      for (const [key, value] of workspace[part]) found.push([`${part} ${name}:${key}`, plain(value)]);
  }
  for (const [name, layer] of catalog.tileLayers) found.push([`tile layer ${name}`, plain(layer)]);
  for (const [name, grid] of catalog.gridSets) found.push([`grid set ${name}`, grid]);
  return found;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (inner instanceof Map ? [...inner] : inner));
}

/** The canary folder, the slave's clone and the master's data; of what the agent writes by itself only its shape. */
async function filesOf({ canary, rig }: Lab): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const root of [canary, rig.clone, rig.dataRoot])
    for (const path of await readdir(root, { recursive: true })) {
      if (/^(\.hg|code)(\/|$)/.test(path)) continue;
      found.push([`file ${join(root, path)}`, await contentOf(join(root, path))]);
    }
  const own = (await readdir(join(rig.clone, 'code'), { recursive: true })).filter((path) => !OWN.test(path));
  return [...found, ['other files of the agent', JSON.stringify(own)]];
}

/** What the agent writes below `code/`. */
const OWN =
  /^(\.env|\.sync_status(\/[^/]+)*|dumps(\/\.partial(\/.*)?|\/meta(\/[0-9a-f]{32}\.json)?|\/[^/]+\.(db|tar|sld)(\.[0-9a-f]{32})?)?|previews?(\/rig(\/dpaw(\/[^/]+(\/[^/]+\.png)?)?)?)?)$/;

async function contentOf(path: string): Promise<string> {
  const info = await lstat(path);
  const mode = info.mode.toString(8);
  if (info.isSymbolicLink()) return `${mode} -> ${await readlink(path)}`;
  if (!info.isFile()) return mode;
  return `${mode} ${createHash('md5')
    .update(await readFile(path))
    .digest('hex')}`;
}
