// The engine alone: many task files of which none, ten and all are new. Nothing is restored or published.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Rig } from '../test/support/rig.js';
import { makeInstruments, words } from './support/instruments.js';
import { difference, interleave, median, type Contender } from './support/measure.js';
import { MiB, ms, report, rounds, type Line } from './support/report.js';
import { CLI, newSlave, succeeded } from './support/slave.js';
import { inlineFiles } from './support/workload.js';

const SIZES = [1_250, 2_500, 5_000];
const BARE = fileURLToPath(new URL('support/bare-hook.mjs', import.meta.url));
const NO_HOOK = ['--config', 'hooks.pretxnchangegroup.slave-sync='];

const instruments = await makeInstruments();
const lines: Line[] = [];
for (const size of SIZES) {
  const slave = await newSlave({ env: { SKIP_DB: 'true', SKIP_GS: 'true', LOG_LEVEL: 'warn' } });
  await slave.commit(inlineFiles(size));
  succeeded('hg pull', await slave.exec('hg', 'pull', ...NO_HOOK));
  const all = await compare(slave, Object.keys(inlineFiles(size)), () =>
    rm(join(slave.clone, 'code/.sync_status'), { recursive: true, force: true }),
  );
  let version = 1;
  const ten = await compare(slave, Object.keys(inlineFiles(10)), async () => {
    await slave.commit(inlineFiles(10, ++version));
    succeeded('hg pull', await slave.exec('hg', 'pull', ...NO_HOOK));
  });
  const none = await compare(slave, [], () => Promise.resolve());
  for (const [isNew, result] of Object.entries({ none, ten, all }))
    lines.push({ files: size, new: isNew, ...result });
  await slave.close();
}
report(
  'slave-sync sync of many task files, beside a bare Node process that reads the same from Mercurial',
  lines,
);
// Servers end with this process.
process.exit(0);

/** Times `sync` after `change`, which makes these files new, and the bare reading of the same. */
async function compare(slave: Rig, files: readonly string[], change: () => Promise<void>): Promise<Line> {
  const { NODE_OPTIONS = '' } = instruments.env;
  const contender = (name: string, args: readonly string[], prepare: () => Promise<void>): Contender => ({
    name,
    prepare: async () => {
      await prepare();
      const env = words({ NODE_OPTIONS });
      return { run: async () => succeeded(name, await slave.exec('env', ...env, process.execPath, ...args)) };
    },
  });
  const [own, bare] = ['slave-sync', 'bare'];
  const samples = await interleave(
    [
      contender(own, [CLI, 'sync'], change),
      contender(bare, [BARE, slave.clone, ...files], () => Promise.resolve()),
    ],
    rounds(3),
  );
  const usage = instruments
    .nodes()
    .filter(({ command }) => command === `${CLI} sync`)
    .slice(-rounds(3));
  return {
    'slave-sync ms': ms(median(samples.get(own)!)),
    'bare ms': ms(median(samples.get(bare)!)),
    'above ms': ms(difference(samples, own, bare)),
    'CPU ms': ms(median(usage.map(({ cpuMs }) => cpuMs))),
    'peak MiB': MiB(Math.max(...usage.map(({ peakBytes }) => peakBytes))),
  };
}
