import { realpathSync } from 'node:fs';
import { install } from '../hooks/install.js';
import { stablePath } from '../update.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Installs the hooks, and says what it changed. */
export async function initCommand(
  { config, location, stop }: Session,
  options: { dryRun?: boolean },
): Promise<number> {
  const program = stablePath(realpathSync(process.argv[1] ?? ''));
  const plan = await install({
    repository: location,
    command: [process.execPath, program],
    branch: config.branch,
    env: process.env,
    signal: stop.signal,
    dryRun: options.dryRun ?? false,
  });
  const verb = options.dryRun ? 'would change' : 'changed';
  for (const change of plan.changes) {
    process.stdout.write(`${verb} ${change.file}\n`);
    for (const what of change.what) process.stdout.write(`  ${what}\n`);
  }
  if (plan.changes.length === 0) process.stdout.write(`${location.root} is set up already\n`);
  for (const warning of plan.warnings) process.stdout.write(`warning: ${warning}\n`);
  return EXIT.ok;
}
