// One pull from a clean slate: slave-sync beside bare commands, and beside itself with every limit at 1.
import { cpus } from 'node:os';
import { makeRig, type Rig } from '../test/support/rig.js';
import { sshd } from '../test/support/sshd.js';
import { startCountingProxy } from './support/counting-proxy.js';
import { runFloor } from './support/floor.js';
import { makeInstruments, words } from './support/instruments.js';
import { interleave, median, ratio, type Contender } from './support/measure.js';
import { isAsked, MiB, ms, report, rounds, times } from './support/report.js';
import { newSlave, succeeded } from './support/slave.js';
import { makeWorkload, WORKSPACE, type Workload } from './support/workload.js';

const ONE_AT_A_TIME = {
  MAX_TRANSFERS_PER_HOST: '1',
  MAX_RESTORES: '1',
  MAX_GEOSERVER_WRITERS: '1',
  MAX_GEOSERVER_READERS: '1',
};
const LANES = Math.min(cpus().length, 4);

const master = await makeRig();
const { sshCommand } = await sshd();
for (const [title, size] of Object.entries({
  '40 features': { features: 40, wmsLayers: 0, groups: 0 },
  '40 features, 10 WMS layers, 5 groups': { features: 40, wmsLayers: 10, groups: 5 },
})) {
  const parts = [true, false]
    .map((overSsh) => ({ overSsh, name: `${title}, ${overSsh ? 'over ssh' : 'files in place'}` }))
    .filter(({ name }) => isAsked(name));
  if (parts.length === 0) continue;
  const workload = await makeWorkload(master, size);
  for (const { name, overSsh } of parts) await bench(name, workload, overSsh);
  await workload.remoteWms.close();
}
await clean(master);
// Servers end with this process.
process.exit(0);

async function bench(title: string, workload: Workload, overSsh: boolean): Promise<void> {
  const settings: Record<string, string> = overSsh
    ? {}
    : { SHARE_LAYER_DATA: 'true', SHARE_PREVIEW_DATA: 'true' };
  const reach = overSsh ? 'ssh' : 'path';

  const slaveSync = (name: string, env: Readonly<Record<string, string>> = {}): Contender => ({
    name,
    prepare: async () => {
      const slave = await newSlave({ reach, env: { ...settings, ...env } });
      await clean(slave);
      await slave.commit(workload.files);
      return {
        run: async () => succeeded('hg pull', await slave.pull()),
        clear: async () => {
          await expectApplied(slave, workload);
          await slave.close();
        },
      };
    },
  });
  const floor = (name: string, lanes: number): Contender => ({
    name,
    prepare: async () => {
      const slave = await makeRig({ reach });
      await clean(slave);
      await slave.commit(workload.files);
      return {
        run: () => runFloor(slave, master, workload, { lanes, ssh: overSsh ? sshCommand : undefined }),
        clear: () => slave.close(),
      };
    },
  });

  const [own, single, bare, bareSingle] = [
    'slave-sync',
    'slave-sync, limits at 1',
    'floor',
    'floor, one by one',
  ];
  const samples = await interleave(
    [slaveSync(own), slaveSync(single, ONE_AT_A_TIME), floor(bare, LANES), floor(bareSingle, 1)],
    rounds(3),
  );
  report(
    title,
    [...samples].map(([name, values]) => ({
      contender: name,
      'median ms': ms(median(values)),
      'min ms': ms(Math.min(...values)),
      'to the floor': times(ratio(samples, name, bare)),
      'to limits at 1': times(ratio(samples, name, single)),
    })),
  );
  await count(title, workload, { reach, settings });
}

/** One more pull, not timed. */
async function count(
  title: string,
  workload: Workload,
  { reach, settings }: { reach: 'ssh' | 'path'; settings: Readonly<Record<string, string>> },
): Promise<void> {
  const instruments = await makeInstruments();
  // The stand-in counts by itself.
  const proxy = master.geoserver.standIn ? undefined : await startCountingProxy(master.geoserver.url);
  const env = proxy === undefined ? settings : { ...settings, GEOSERVER_URL: proxy.url };
  const slave = await newSlave({ reach, env }, instruments.env);
  await clean(slave);
  await slave.commit(workload.files);
  const before = instruments.programs();
  succeeded('hg pull', await slave.exec('env', ...words(instruments.env), 'hg', 'pull'));
  const programs = [...instruments.programs()]
    .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  const agent = instruments.nodes().find(({ command }) => command.includes('hook'));
  const requests = proxy?.requests ?? slave.geoserver.standIn?.requests ?? [];
  report(`${title}: what one pull takes`, [
    {
      processes: programs.reduce((sum, [, count]) => sum + count, 0),
      of: programs.map(([name, count]) => `${name} ${count}`).join(', '),
      requests: requests.length,
      GET: requests.filter(({ method }) => method === 'GET').length,
      'peak MiB': MiB(agent?.peakBytes ?? 0),
      'CPU ms': ms(agent?.cpuMs ?? 0),
    },
  ]);
  proxy?.close();
  await slave.close();
}

/** A real GeoServer still has what the one before has published. */
async function clean({ geoserver }: Rig): Promise<void> {
  if (geoserver.standIn === undefined)
    await geoserver.request('DELETE', `/rest/workspaces/${WORKSPACE}.json?recurse=true`);
}

async function expectApplied(slave: Rig, workload: Workload): Promise<void> {
  for (const name of [...workload.features, ...workload.wmsLayers])
    if ((await slave.geoserver.getJson(`/rest/layers/${WORKSPACE}:${name}.json`)) === undefined)
      throw new Error(`the layer ${name} is missing after the pull`);
  for (const name of workload.features) {
    const rows = await slave.rows(`"${WORKSPACE}"."${name}"`);
    if (rows.length === 0) throw new Error(`the view ${name} is empty after the pull`);
  }
}
