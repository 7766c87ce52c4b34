// `npm test`: everything, on a machine that has only Node and git. Arguments go to mocha, for instance a file.
// The last line is `N passed, N failed`; types, lint and format count as one test each.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, runsTool, say, Stop } from './common.mjs';
import { prepare } from './prepare.mjs';
import { provision } from './provision.mjs';

const MOCHA_LIMIT_MS = 15 * 60_000;

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
  try {
    provision();
    prepare();
    for (const { name, tool, args } of CHECKS) {
      say(`Checking ${name}`);
      add(runsTool(tool, args) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
    }
    say('Running the tests');
    const files = process.argv.slice(2);
    add(mocha(files.length > 0 ? files : ['test/**/*.test.ts']));
  } catch (error) {
    add({ passed: 0, failed: 1 });
    console.error(`\n${error instanceof Stop ? error.message : error.stack}`);
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  if (total.failed > 0) process.exitCode = 1;
}

function mocha(args) {
  const folder = mkdtempSync(join(tmpdir(), 'slave-sync-test-'));
  const file = join(folder, 'counts.json');
  try {
    const ok = runsTool('mocha/bin/mocha.js', ['--reporter', 'scripts/mocha-reporter.mjs', ...args], {
      env: { MOCHA_COUNTS_FILE: file },
      timeoutMs: MOCHA_LIMIT_MS,
    });
    // No counts: mocha did not get to its end.
    const counts = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { passed: 0, failed: 0 };
    return ok || counts.failed > 0 ? counts : { ...counts, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(import.meta.url, test);
