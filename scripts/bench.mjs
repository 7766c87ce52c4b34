// `npm run bench`: all benchmarks, or those named, for instance `npm run bench -- pull --rounds 5 --only groups --json`: bench/pull.bench.ts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { main, ROOT, runs, say, Stop } from './common.mjs';
import { prepare } from './prepare.mjs';
import { provision } from './provision.mjs';

const SUFFIX = '.bench.ts';

function bench() {
  provision();
  prepare();
  const all = readdirSync(join(ROOT, 'bench'))
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length));
  const args = process.argv.slice(2);
  const names = args.findIndex((arg) => arg.startsWith('-'));
  const [asked, options] = names < 0 ? [args, []] : [args.slice(0, names), args.slice(names)];
  const unknown = asked.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new Stop(`No such benchmark: ${unknown.join(', ')}. There are: ${all.join(', ')}.`);
  for (const name of asked.length > 0 ? asked : all) {
    say(name);
    if (!runs(process.execPath, ['--import', 'tsx', join('bench', name + SUFFIX), ...options]))
      throw new Stop(`${name} failed.`);
  }
}

await main(import.meta.url, bench);
