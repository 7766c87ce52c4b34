import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { startGeoServer, type GeoServerStandIn } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles } from '../support/master.js';
import { postgres } from '../support/postgres.js';
import type { CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';

/** Each with what makes redaction hard: characters that URLs, JSON and shells quote. */
const SECRETS = {
  geoserver: 'MARKED-geoserver-é/&"',
  slave: "MARKED-slave-'%20 x",
  auth: 'MARKED-auth-#$HOME',
  master: 'MARKED-master@host:5432',
  cdn: 'MARKED-cdn-token',
  wms: 'MARKED-wms-store+?',
} as const;
const REFUSED = 'MARKED-wrong-password';
const ROLES = ['slave', 'auth', 'master'] as const;

describe('secrets', function () {
  this.timeout(240_000);
  let rig: Rig;
  let geoserver: GeoServerStandIn;
  let cdn: Cdn;
  let good: Readonly<Record<string, string>>;
  const outputs: string[] = [];
  const commandLines = new Set<string>();

  before(async () => {
    geoserver = await startGeoServer({ password: SECRETS.geoserver });
    cdn = await startCdn();
    rig = await makeRig({ reach: 'ssh' });
    const { slaveDatabase: slave, masterDatabase: master } = rig;
    for (const name of ROLES)
      await slave.query(
        `CREATE ROLE marked_${name} SUPERUSER LOGIN PASSWORD ${pg.escapeLiteral(SECRETS[name])}`,
      );
    good = {
      LOG_LEVEL: 'debug',
      GEOSERVER_URL: geoserver.url,
      GEOSERVER_PASSWORD: SECRETS.geoserver,
      GEOSERVER_PGSQL_PORT: String(slave.port),
      GEOSERVER_PGSQL_USERNAME: 'marked_slave',
      GEOSERVER_PGSQL_PASSWORD: SECRETS.slave,
      AUTH_PGSQL_USERNAME: 'marked_auth',
      AUTH_PGSQL_PASSWORD: SECRETS.auth,
      MASTER_PGSQL_PORT: String(master.port),
      MASTER_PGSQL_USERNAME: 'marked_master',
      MASTER_PGSQL_PASSWORD: SECRETS.master,
      FASTLY_PURGE_URL: `${cdn.url}/service/{}/purge/{{}}`,
      FASTLY_SERVICEID: 'service',
      FASTLY_API_TOKEN: SECRETS.cdn,
      FASTLY_SURROGATE_KEY: '{}/{}',
    };
    await rig.configure(escaped(good));
  });

  after(async () => {
    await cdn.close();
    await geoserver.close();
    await rig.close();
    const other = await (await postgres()).createDatabase();
    for (const name of ROLES) await other.query(`DROP OWNED BY marked_${name}; DROP ROLE marked_${name}`);
    await other.drop();
  });

  /** Runs something, with every command line of the machine looked at meanwhile. */
  async function watched(work: () => Promise<CommandOutcome>): Promise<CommandOutcome> {
    const state = { running: true };
    const sampling = (async () => {
      while (state.running) {
        for (const line of await readCommandLines()) commandLines.add(line);
        await delay(20);
      }
    })();
    const outcome = await work().finally(() => (state.running = false));
    await sampling;
    outputs.push(outcome.stdout, outcome.stderr);
    return outcome;
  }

  it('work, each where it belongs', async () => {
    expect((await watched(() => rig.cli('master', 'init'))).code).to.equal(0);
    expect((await watched(() => rig.cli('init'))).code).to.equal(0);
    await rig.commit({
      ...workspaceFiles('town'),
      ...(await featureFiles(rig, {
        workspace: 'town',
        name: 'trees',
        styles: { builtin: pointStyle('Trees') },
      })),
      'dpaw/wms_stores/town.other.json': JSON.stringify({
        ...{ action: 'publish', workspace: 'town', name: 'other', username: 'reader', password: SECRETS.wms },
        capability_url: `${geoserver.url}/remote?service=WMS&version=1.1.1`,
      }),
      'slave_roles.sql': `CREATE ROLE made_by_auth;\nDROP ROLE made_by_auth;\n`,
    });
    const { code, stdout, stderr } = await watched(() => rig.pull());
    expect(code, stdout + stderr).to.equal(0);
    // The search below proves something only where each secret was really used.
    expect(await rig.rows('town.trees')).to.have.length(3);
    const store = geoserver.requests.find(
      ({ path, method }) => method === 'POST' && path.includes('wmsstores'),
    );
    expect(store?.body).to.contain(JSON.stringify(SECRETS.wms).slice(1, -1));
    expect(cdn.tokens).to.include(SECRETS.cdn);
    expect(await rig.masterDatabase.query('SELECT * FROM monitor_slaveserver')).to.have.length(1);
  });

  it('are not shown by any command', async () => {
    for (const args of [
      ['status', '--all', '--json'],
      ['config', '--json'],
      ['config'],
      ['plan'],
      ['doctor'],
      ['filter', 'test'],
      ['health'],
    ])
      expect((await watched(() => rig.cli(...args))).stdout, args.join(' ')).not.to.equal('');
  });

  it('take part in failures of every sort', async () => {
    const broken = await featureFiles(rig, { workspace: 'town', name: 'broken' });
    const path = 'dpaw/layers/town.broken.json';
    const task = JSON.parse(broken[path] ?? '') as { data: { md5: string } };
    task.data.md5 = '0'.repeat(32);
    await rig.commit({ ...workspaceFiles('city'), [path]: JSON.stringify(task) });
    for (const [what, env] of [
      ['a wrong checksum', {}],
      [
        'wrong passwords',
        { GEOSERVER_PASSWORD: REFUSED, GEOSERVER_PGSQL_PASSWORD: REFUSED, MASTER_PGSQL_PASSWORD: REFUSED },
      ],
      [
        'everything down',
        { GEOSERVER_URL: 'http://127.0.0.1:1/geoserver', GEOSERVER_PGSQL_PORT: '1', MASTER_PGSQL_PORT: '1' },
      ],
      ['passwords in addresses', { GEOSERVER_URL: `http://admin:${SECRETS.cdn}@127.0.0.1/geoserver` }],
    ] as const) {
      await rig.configure(escaped({ ...good, ...env }));
      await watched(() => rig.cli('sync', '--json'));
      const { code } = await watched(() => rig.pull());
      expect(code, what).not.to.equal(0);
    }
    await rig.configure(escaped(good));
    await watched(() => rig.cli('sync'));
  });

  it('are in nothing that was printed', () => {
    expect(outputs.join('\n')).to.contain('password authentication failed').and.to.contain('401');
    expect(find(outputs.join('\n'))).to.deep.equal([]);
  });

  it('are in no command line', () => {
    const programs = ['rsync', 'pg_restore', 'hg'];
    const seen = [...commandLines];
    expect(programs.filter((name) => !seen.some((line) => line.includes(name)))).to.deep.equal([]);
    expect(find(seen.join('\n'))).to.deep.equal([]);
  });

  it("are not in the record, nor in any other file of the slave's state", async () => {
    const folder = join(rig.clone, 'code/.sync_status');
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = found.filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).to.include('record.db');
    for (const { name, parentPath } of files)
      expect(find(await readFile(join(parentPath, name), 'latin1')), name).to.deep.equal([]);
  });

  it("are not in the master's rows", async () => {
    for (const table of ['monitor_slaveserver', 'monitor_publishsyncstatus', 'monitor_tasksyncstatus']) {
      const rows = await rig.masterDatabase.query(`SELECT * FROM ${table}`);
      expect(rows, table).not.to.deep.equal([]);
      expect(find(JSON.stringify(rows)), table).to.deep.equal([]);
    }
  });
});

/** Whichever secret it is, in whichever quoting: the mark itself has no character that is ever quoted. */
function find(text: string): string[] {
  const plain = [...text.matchAll(/.{0,60}MARKED.{0,60}/g)].map(([match]) => match);
  const base64 = [...Object.values(SECRETS), `admin:${SECRETS.geoserver}`].map((secret) =>
    Buffer.from(secret).toString('base64').slice(0, 16),
  );
  return [...plain, ...base64.filter((code) => text.includes(code))];
}

/** As they are written between double quotes in an environment file. */
function escaped(env: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(env);
  return Object.fromEntries(entries.map(([name, value]) => [name, value.replace(/["\\]/g, '\\$&')]));
}

async function readCommandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  // Most are gone before they are read.
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).map((line) => line.replaceAll('\0', ' '));
}

interface Cdn {
  readonly url: string;
  /** Of each request. */
  readonly tokens: unknown[];
  close(): Promise<void>;
}

async function startCdn(): Promise<Cdn> {
  const tokens: unknown[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers['fastly-key']);
    response.end('{"status": "ok"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, tokens, close };
}
