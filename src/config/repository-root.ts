import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The repository that a folder lies in (Mercurial, Git, or a bare Git repository, where hooks start in its own folder);
 * undefined when there is none. The agent's own checkout `<state repository>/code` counts as part of the state repository.
 */
export function findRepositoryRoot(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    if (isRepository(current)) {
      const parent = dirname(current);
      return basename(current) === 'code' && isRepository(parent) ? parent : current;
    }
    if (current === dirname(current)) return undefined;
  }
}

function isRepository(folder: string): boolean {
  const has = (name: string): boolean => existsSync(join(folder, name));
  if (has('.hg') || has('.git')) return true;
  return basename(folder) !== '.git' && has('HEAD') && has('objects') && has('refs');
}
