// `npm run audit`: known vulnerabilities of the production dependencies. Without a registry to ask it says so and does not
// fail: that is no news about the packages.
import { spawnSync } from 'node:child_process';
import { main, ROOT, say, Stop } from './common.mjs';

function audit() {
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=1', '--fetch-timeout=20000'];
  const { stdout, error } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8', timeout: 120_000 });
  if (error) throw new Stop(`npm audit did not run: ${error.message}`);
  const report = parse(stdout);
  if (report?.metadata?.vulnerabilities === undefined) {
    const why = report?.message ?? report?.error?.summary ?? 'no answer';
    say(`Not audited: the registry could not be asked (${why}).`);
    return;
  }
  const found = Object.values(report.vulnerabilities ?? {});
  for (const { name, severity, range } of found) console.log(`${severity}: ${name} ${range}`);
  if (found.length > 0)
    throw new Stop(`${found.length} packages have known vulnerabilities: npm audit --omit=dev`);
  say('No known vulnerabilities in the production dependencies.');
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

await main(import.meta.url, audit);
