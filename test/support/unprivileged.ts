import { chmod, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { tempDir } from './temp.js';

/**
 * A PATH on which these programs run as somebody whom file modes bind: as nobody, to whom the folders are given, where the
 * tests run as root; anyone else is bound already.
 */
export async function unprivileged(
  programs: readonly string[],
  ...folders: readonly string[]
): Promise<string> {
  const path = process.env['PATH'] ?? '';
  if (process.getuid?.() !== 0) return path;
  const { stdout } = await run('id', ['-g', 'nobody']);
  const identity = `--reuid=nobody --regid=${stdout.toString('utf8').trim()} --clear-groups`;
  const wrappers = await tempDir('unprivileged');
  for (const program of programs) {
    const file = join(wrappers, program);
    // The program's own children are found on the usual PATH: they are nobody's already.
    const script = `#!/bin/sh\nPATH='${path}' exec setpriv ${identity} -- ${program} "$@"\n`;
    await writeFile(file, script);
    await chmod(file, 0o755);
  }
  for (const folder of folders) {
    await chmod(folder, 0o755);
    await run('chown', ['-R', 'nobody', folder]);
  }
  return [wrappers, path].join(delimiter);
}
