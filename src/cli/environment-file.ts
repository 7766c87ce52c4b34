import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { ManifestEntry } from '../hooks/repository.js';
import { AgentError } from '../lib/errors.js';

/**
 * Refuses to go on with an environment file that the state repository tracks: whoever can push there could set any
 * command. Asked of the revision that is about to be applied, since asking the VCS at every start would cost a process.
 * Only then do the file's other variables (PATH, SSH_AUTH_SOCK ...) become part of the environment of children.
 */
export async function environmentGuard(
  root: string,
  file: string | undefined,
  forChildren: Readonly<Record<string, string>>,
): Promise<(entries: readonly ManifestEntry[]) => void> {
  const paths = file === undefined ? [] : await pathsInside(root, file);
  return (entries) => {
    const tracked = entries.find((entry) => paths.includes(entry.path));
    if (tracked !== undefined)
      throw new AgentError(
        'invalid-config',
        `the environment file ${tracked.path} is tracked by the state repository: whoever can push there could set any command`,
        {
          retry: 'final',
          hint: 'Remove it from the repository, or keep the settings elsewhere with --env-file.',
        },
      );
    Object.assign(process.env, forChildren);
  };
}

/** Both the file's own name and what it links to, where they lie in the folder. */
async function pathsInside(folder: string, file: string): Promise<string[]> {
  const names = [join(await realpath(dirname(file)), basename(file)), await realpath(file)];
  return [...new Set(names.map((name) => relative(folder, name)))].filter(
    (path) => !path.startsWith(`..${sep}`),
  );
}
