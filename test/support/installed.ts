import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tempDir } from './temp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface InstalledProgram {
  /** Its `dist/cli.js`. */
  readonly cli: string;
  /** A folder for the PATH, with `slave-sync`. */
  readonly bin: string;
}

/** The built program as `npm install -g` leaves it: in no git checkout, so that CODE_BRANCH has nothing to update. */
export async function installedProgram(): Promise<InstalledProgram> {
  const folder = await tempDir('installed');
  for (const name of ['dist', 'package.json'])
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const [cli, bin] = [join(folder, 'dist/cli.js'), join(folder, 'bin')];
  await mkdir(bin);
  await symlink(cli, join(bin, 'slave-sync'));
  return { cli, bin };
}
