// A poll that finds nothing: `slave-sync poll --once`, and a tick of the daemon, beside the bare pull.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Rig } from '../test/support/rig.js';
import { vcsEnvironment } from '../test/support/repository.js';
import { diesWithUs } from '../test/support/temp.js';
import { words } from './support/instruments.js';
import { difference, interleave, median, type Contender } from './support/measure.js';
import { ms, report, rounds } from './support/report.js';
import { CLI, newSlave, succeeded } from './support/slave.js';
import { inlineFiles } from './support/workload.js';

const FILES = 500;
const BARE_PULL = {
  hg: ['hg', 'pull', '-b', 'default'],
  git: ['git', 'fetch', '--no-tags', 'origin'],
} as const;

for (const vcs of ['hg', 'git'] as const) {
  const env = {
    SKIP_DB: 'true',
    SKIP_GS: 'true',
    POLL_INTERVAL: '3600',
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
  };
  const slave = await newSlave({ vcs, reach: 'ssh', env });
  await slave.commit(inlineFiles(FILES));
  succeeded('the first pull', await slave.pull());
  await bench(vcs, slave);
  await slave.close();
}
// Servers end with this process.
process.exit(0);

async function bench(vcs: 'hg' | 'git', slave: Rig): Promise<void> {
  const daemon = await startDaemon(slave);
  const [bare, tick, once] = [BARE_PULL[vcs].join(' '), "the daemon's tick", 'slave-sync poll --once'];
  const contender = (name: string, run: () => Promise<unknown>): Contender => ({
    name,
    prepare: () => Promise.resolve({ run }),
  });
  const [program, ...args] = BARE_PULL[vcs];
  const samples = await interleave(
    [
      contender(bare, async () => succeeded(bare, await slave.exec(program, ...args))),
      contender(tick, () => daemon.tick()),
      contender(once, async () => succeeded(once, await slave.cli('poll', '--once'))),
    ],
    rounds(15),
  );
  daemon.stop();
  report(
    `An idle poll over ssh, ${vcs}, ${FILES} task files`,
    [...samples].map(([name, values]) => ({
      what: name,
      'median ms': ms(median(values)),
      'min ms': ms(Math.min(...values)),
      'above the bare pull': ms(difference(samples, name, bare)),
    })),
  );
}

/** The daemon after its first tick, and what wakes it for another one. */
async function startDaemon(slave: Rig): Promise<{ tick: () => Promise<void>; stop: () => void }> {
  const env = words({ PATH: process.env['PATH'] ?? '', HOME: slave.clone, ...vcsEnvironment });
  const command = [...diesWithUs('TERM'), process.execPath, CLI, 'poll'];
  const child = spawn('env', ['-i', ...env, 'setpriv', ...command], {
    cwd: slave.clone,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let onEnd: () => void = () => undefined;
  createInterface({ input: child.stderr }).on('line', (line) => {
    // What a tick's end is noted with.
    if (line.includes('"failures":')) onEnd();
  });
  const gone = new Promise<never>((_, reject) =>
    child.once('exit', () => reject(new Error('the daemon ended'))),
  );
  const ended = (): Promise<void> => Promise.race([new Promise<void>((resolve) => (onEnd = resolve)), gone]);
  await ended();
  return {
    tick: async () => {
      const end = ended();
      child.kill('SIGUSR1');
      await end;
    },
    stop: () => {
      gone.catch(() => undefined);
      child.kill('SIGTERM');
    },
  };
}
