// The main job on real parts: a master publishes three layers, a slave pulls; then an update and a removal. Run by
// scripts/demo.mjs, which has installed and built what this needs.
import { isDeepStrictEqual } from 'node:util';
import type { CommandOutcome } from '../test/support/repository.js';
import { makeRig, type Rig } from '../test/support/rig.js';
import { LAYERS, type DemoLayer } from './layers.js';
import { Report } from './report.js';

const WORKSPACE = 'slave_sync_demo';
const DATA_SCHEMA = `${WORKSPACE}_data`;

const report = new Report((text) => process.stdout.write(text));

report.line(
  'slave-sync: a master publishes, a slave pulls. Everything runs on this machine and is gone at the end.',
);
const rig = await report.step('Start PostgreSQL, sshd and a state repository for a master and a slave', () =>
  makeRig({ vcs: 'hg', reach: 'ssh', env: { LOG_LEVEL: 'warn' } }),
);
const kind = rig.geoserver.standIn
  ? 'a stand-in that behaves as GeoServer 2.26 (set GEOSERVER_URL to use a real one)'
  : 'the real one of GEOSERVER_URL';
report.line(`   GeoServer: ${kind}, ${rig.geoserver.url}`);
report.line(`   PostgreSQL: port ${rig.slaveDatabase.port}, the master's database and the slave's`);
report.line(`   State repository: ${rig.upstream} (Mercurial), cloned to ${rig.clone}, pulled over ssh`);
try {
  await demo(rig);
} finally {
  await removeFromRealServer(rig);
  await rig.close();
}
// Servers end with this process.
process.exit(0);

async function demo({ masterDatabase }: Rig): Promise<void> {
  await report.step('Make three tables in the database of the master', async () => {
    await masterDatabase.query(`CREATE SCHEMA ${DATA_SCHEMA}`);
    for (const { name, rows } of LAYERS)
      await masterDatabase.query(`CREATE TABLE ${DATA_SCHEMA}.${name} AS ${rows}`);
  });
  await report.step('Publish them on the master', async () => {
    await publish('workspace', WORKSPACE);
    for (const layer of LAYERS) await publishLayer(layer);
  });
  await report.step('Set the slave up: every hg pull now calls slave-sync', async () => {
    succeed('slave-sync master init', await rig.cli('master', 'init'));
    succeed('slave-sync init', await rig.cli('init'));
  });
  await report.step('Pull: tables are restored, layers published', () => pull());
  await expectServed(LAYERS.map(({ name }) => name));

  const [updated, , removed] = LAYERS;
  if (updated === undefined || removed === undefined) throw new Error('the demo needs three layers');
  await report.step(`Update ${updated.name}, remove ${removed.name}`, async () => {
    await masterDatabase.query(`DELETE FROM ${DATA_SCHEMA}.${updated.name} WHERE id > 250`);
    await publishLayer(updated);
    await publish('remove', WORKSPACE, removed.name);
  });
  await report.step('Pull again: only what has changed is done', () => pull());
  const served = LAYERS.filter((layer) => layer !== removed).map(({ name }) => name);
  await expectServed(served);

  report.line('\nPublished at the end:\n');
  report.table(['layer', 'rows in the view', 'style', 'data store'], await describe(served));
  report.line('\nWhat the master knows of it:\n');
  report.table(['layer', 'deployed at'], await reported());
  report.line('\nTimes:\n');
  report.table(
    ['step', 'seconds'],
    report.timings.map(({ step, seconds }) => [step, seconds.toFixed(2)]),
  );
}

async function publishLayer({ name, style }: DemoLayer): Promise<void> {
  await publish('feature', WORKSPACE, name, '--style', `builtin=${style}`);
}

async function publish(...args: string[]): Promise<void> {
  succeed(`slave-sync publish ${args.join(' ')}`, await rig.publish(...args));
}

async function pull(): Promise<void> {
  succeed('hg pull', await rig.pull());
  succeed('slave-sync status --all', await rig.cli('status', '--all'));
}

function succeed(what: string, { code, stdout, stderr }: CommandOutcome): void {
  report.command(what, stdout + stderr);
  if (code !== 0) throw new Error(`${what} exited with ${code}`);
}

/** Compares what the slave serves with what the master has. */
async function expectServed(names: readonly string[]): Promise<void> {
  for (const { name } of LAYERS) {
    const layer = await rig.geoserver.getJson(`/rest/layers/${WORKSPACE}:${name}.json`);
    if ((layer !== undefined) !== names.includes(name))
      throw new Error(`GeoServer should not say so of ${name}`);
  }
  for (const name of names) {
    const sorted = `${name} ORDER BY id`;
    const sent = await rig.masterDatabase.query(`SELECT * FROM ${DATA_SCHEMA}.${sorted}`);
    if (!isDeepStrictEqual(await rig.rows(`${WORKSPACE}.${sorted}`), sent))
      throw new Error(`${name}: the slave's rows are not the master's`);
  }
  report.line(
    `   Checked: the rows of ${names.join(', ')} equal the master's; GeoServer has these layers and no others.`,
  );
}

async function describe(names: readonly string[]): Promise<string[][]> {
  return Promise.all(
    names.map(async (name) => {
      const { layer } = (await rig.geoserver.getJson(`/rest/layers/${WORKSPACE}:${name}.json`)) as {
        layer: { defaultStyle: { name: string } };
      };
      const rows = await rig.rows(`${WORKSPACE}.${name}`);
      return [`${WORKSPACE}:${name}`, String(rows.length), layer.defaultStyle.name, `${WORKSPACE}_ds`];
    }),
  );
}

async function reported(): Promise<string[][]> {
  const rows = await rig.masterDatabase.query<{ publish: string; at: string }>(
    `SELECT publish, to_char(deploy_time, 'YYYY-MM-DD HH24:MI:SS') AS at FROM monitor_publishsyncstatus ORDER BY publish`,
  );
  return rows.map(({ publish: layer, at }) => [layer, at]);
}

/** A real GeoServer outlives the demo: the demo's workspace must not stay there. */
async function removeFromRealServer({ geoserver }: Rig): Promise<void> {
  if (geoserver.standIn) return;
  await geoserver.request('DELETE', `/rest/workspaces/${WORKSPACE}.json?recurse=true`);
  report.line(`\nRemoved the workspace ${WORKSPACE} from GeoServer.`);
}
