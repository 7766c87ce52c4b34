// Compiles src/ into dist/. Into a folder beside it first: a running slave-sync never sees half a build, and what was
// compiled from a file that is gone is gone, too.
import { chmodSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { main, ROOT, runsTool, Stop } from './common.mjs';

/** Throws Stop when it does not compile; dist/ is then as it was. */
export function build() {
  const started = new Date();
  const dist = join(ROOT, 'dist');
  const [next, old] = ['next', 'old'].map((name) => join(ROOT, `dist.${name}-${process.pid}`));
  try {
    if (!runsTool('typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', next]))
      throw new Stop('The build failed.');
    chmodSync(join(next, 'cli.js'), 0o755);
    // A source that was changed while tsc ran counts as newer than the build (see prepare.mjs).
    utimesSync(join(next, 'cli.js'), started, started);
    move(dist, old);
    renameSync(next, dist);
  } finally {
    for (const folder of [next, old]) rmSync(folder, { recursive: true, force: true });
  }
}

function move(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

await main(import.meta.url, build);
