// `npm test`: everything, on a machine that has only Node and git. Arguments go to mocha, for instance a file.
// The last line is `N passed, N failed`; types, lint and format count as one test each.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, ROOT, say, Stop } from './common.mjs';
import { prepare } from './prepare.mjs';
import { provision } from './provision.mjs';

/** Only a hang is cut off: a slow or busy machine may take its time. */
const LIMIT_MS = 30 * 60_000;

const CHECKS = [
  { name: 'types', tool: 'typescript/bin/tsc', args: ['--noEmit'] },
  { name: 'lint', tool: 'eslint/bin/eslint.js', args: ['.', '--max-warnings', '0'] },
  { name: 'format', tool: 'prettier/bin/prettier.cjs', args: ['--check', '--log-level', 'warn', '.'] },
];

async function test() {
  const total = { passed: 0, failed: 0 };
  const add = ({ passed, failed }) => {
    total.passed += passed;
    total.failed += failed;
  };
  const cluster = mkdtempSync(join(tmpdir(), 'slave-sync-test-cluster-'));
  process.env['TEST_CLUSTER'] = cluster;
  try {
    provision();
    prepare();
    say('Checking types, lint and format, and running the tests');
    const files = process.argv.slice(2);
    if (files.length === 0) process.env['TEST_VCS'] ??= 'sample';
    const groups = files.length > 0 ? [files] : groupsOf(testFiles());
    const works = [...CHECKS.map((one) => () => check(one)), ...groups.map((group) => () => mocha(group))];
    for (const counts of await runAll(works)) add(counts);
  } catch (error) {
    add({ passed: 0, failed: 1 });
    console.error(`\n${error instanceof Stop ? error.message : error.stack}`);
  } finally {
    rmSync(cluster, { recursive: true, force: true });
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  if (total.failed > 0) process.exitCode = 1;
}

function testFiles() {
  return readdirSync(join(ROOT, 'test'), { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `test/${file}`)
    .sort();
}

/** What takes long goes first and file by file, so that all cores are busy to the end. */
const LONG = [
  'doctor',
  'e2e',
  // Those beside the folders: the daemon, the update of the program.
  '',
  'faults',
  'hostile',
  'soak',
  'pgdump',
  'hooks',
  'publish',
  'geoserver',
  'transfer',
  'report',
  'packaging',
  'demo',
];

/** Of these some files share a process, and so a PostgreSQL: to start one costs as much as the tests of a small file. */
const SHARING = { e2e: 2, geoserver: 99, pgdump: 3, hooks: 3, report: 3, transfer: 3 };

/** The files in groups that can run beside each other: each starts servers of its own on free ports. */
function groupsOf(files) {
  const folderOf = (file) => file.split('/').slice(1, -1)[0] ?? '';
  const rank = (file) => (LONG.indexOf(folderOf(file)) + LONG.length + 1) % (LONG.length + 1);
  const long = files.filter((file) => LONG.includes(folderOf(file))).sort((a, b) => rank(a) - rank(b));
  const byFolder = new Map();
  for (const file of files.filter((other) => !long.includes(other)))
    byFolder.set(folderOf(file), [...(byFolder.get(folderOf(file)) ?? []), file]);
  const groups = [];
  for (const file of long) {
    const last = groups.at(-1);
    const folder = folderOf(file);
    if (last && folderOf(last[0]) === folder && last.length < (SHARING[folder] ?? 1)) last.push(file);
    else groups.push([file]);
  }
  return [...groups, ...byFolder.values()];
}

/** Three more at the same time than there are cores: most tests wait for something more than half of their time. */
async function runAll(works) {
  const waiting = [...works];
  const results = [];
  const worker = async () => {
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) results.push(await work());
  };
  const workers = Math.min(works.length, 6, availableParallelism() + 3);
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}

async function check({ name, tool, args }) {
  const code = await node([join(ROOT, 'node_modules', tool), ...args]);
  console.log(`  ${code === 0 ? '✔' : '✘'} ${name}`);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function mocha(args) {
  const folder = mkdtempSync(join(tmpdir(), 'slave-sync-test-'));
  const file = join(folder, 'counts.json');
  try {
    const code = await node(
      [join(ROOT, 'node_modules/mocha/bin/mocha.js'), '--reporter', 'scripts/mocha-reporter.mjs', ...args],
      { MOCHA_COUNTS_FILE: file },
    );
    // No counts: mocha did not get to its end.
    const counts = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { passed: 0, failed: 0 };
    return code === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs Node and returns its exit code; what several print does not mix. */
async function node(args, env = {}) {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const limit = setTimeout(() => child.kill('SIGTERM'), LIMIT_MS);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(limit);
  process.stdout.write(Buffer.concat(output));
  return code;
}

await main(import.meta.url, test);
