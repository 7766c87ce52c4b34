// A pull whose changesets touch no job of this slave: slave-sync's hook beside a bare Node process that asks Mercurial the same.
import { fileURLToPath } from 'node:url';
import { makeInstruments, words } from './support/instruments.js';
import { difference, interleave, median, type Contender } from './support/measure.js';
import { MiB, ms, report, rounds, type Line } from './support/report.js';
import { newSlave, succeeded } from './support/slave.js';
import { inlineFiles } from './support/workload.js';

const FILES = 500;
const BARE = fileURLToPath(new URL('support/bare-hook.mjs', import.meta.url));
const HOOK = 'hooks.pretxnchangegroup.slave-sync';

const slave = await newSlave({ env: { SKIP_DB: 'true', SKIP_GS: 'true' } });
await slave.commit(inlineFiles(FILES));
succeeded('the first pull', await slave.pull());

let changes = 0;
const pull = (name: string, options: readonly string[], env: readonly string[] = []): Contender => ({
  name,
  prepare: async () => {
    await slave.commit({ [`another-channel/layers/f${++changes}.json`]: '{"action": "publish"}' });
    return { run: async () => succeeded(name, await slave.exec('env', ...env, 'hg', 'pull', ...options)) };
  },
});
const config = (command: string): string[] => ['--config', `${HOOK}=${command}`];
const bareHook = config(`'${process.execPath}' '${BARE}' '${slave.clone}'`);
const [none, nothing, bare, own] = ['no hook', 'node, nothing else', 'node, the same hg calls', 'slave-sync'];
const samples = await interleave(
  [
    pull(none, config('')),
    pull(nothing, config(`'${process.execPath}' -e 0`)),
    pull(bare, bareHook),
    pull(own, []),
  ],
  rounds(15),
);
report(
  `A pull that touches no job, ${FILES} task files applied`,
  [...samples].map(([name, values]) => ({
    hook: name,
    'median ms': ms(median(values)),
    'min ms': ms(Math.min(...values)),
    'above the same hg calls': ms(difference(samples, name, bare)),
  })),
);

const lines: Line[] = [];
for (const [name, options] of [
  [bare, bareHook],
  [own, []],
] as const) {
  const instruments = await makeInstruments();
  const { run } = await pull(name, options, words(instruments.env)).prepare();
  await run();
  const [node] = instruments.nodes();
  lines.push({ hook: name, 'CPU ms': ms(node?.cpuMs ?? 0), 'peak MiB': MiB(node?.peakBytes ?? 0) });
}
report('What its Node process takes', lines);
// Servers end with this process.
process.exit(0);
