import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeRig, type Rig, type RigOptions } from '../../test/support/rig.js';
import type { CommandOutcome } from '../../test/support/repository.js';
import { words } from './instruments.js';

export const CLI = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist/cli.js');

/** A new slave with slave-sync's hook, as `slave-sync init` installs it, and a master that takes its reports. */
export async function newSlave(
  options: RigOptions,
  env: Readonly<Record<string, string>> = {},
): Promise<Rig> {
  const rig = await makeRig(options);
  succeeded('slave-sync init', await rig.exec('env', ...words(env), process.execPath, CLI, 'init'));
  succeeded('slave-sync master init', await rig.cli('master', 'init'));
  return rig;
}

/** Throws with all that was printed unless the command exited with 0. */
export function succeeded(what: string, { code, stdout, stderr }: CommandOutcome): void {
  if (code !== 0) throw new Error(`${what} exited with ${code}:\n${stdout}${stderr}`);
}
