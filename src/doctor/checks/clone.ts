import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findFollowedBranch } from '../../hooks/git/followed.js';
import { isErrno, messageOf } from '../../lib/errors.js';
import type { Check, Surroundings } from '../check.js';
import { ownedByAnother } from '../owner.js';

/** What a pull writes in the clone itself: reading the repository, as every other check does, says nothing of it. */
export const clone: Check = {
  name: 'clone',
  run: async (surroundings) => {
    const name = 'clone';
    const { root } = surroundings.location;
    const paths = new Set(await writtenByPulls(surroundings));
    for (const path of paths) {
      const refused: unknown = await access(path, constants.W_OK).catch((error: unknown) => error);
      if (isErrno(refused, 'ENOENT')) paths.delete(path);
      else if (refused !== undefined)
        return {
          name,
          state: 'failed',
          message: `${root} cannot be written: ${messageOf(refused)}`,
          hint: `Run slave-sync as the user that the repository belongs to, always, or mend its owner: chown -R <user> ${root}`,
        };
    }
    for (const path of paths) {
      const warning = ownedByAnother(name, path, await stat(path));
      if (warning !== undefined) return warning;
    }
    return { name, state: 'ok', message: `${root} can be written` };
  },
};

/** The folders in which every pull makes files, and a file that it adds to; not all of them need be there. */
async function writtenByPulls({ config, location, env, signal }: Surroundings): Promise<string[]> {
  const { vcs, root } = location;
  if (vcs === 'git') {
    const { gitDir, commonDir } = await findFollowedBranch(root, { branch: config.branch, env, signal });
    return [commonDir, join(commonDir, 'objects'), join(commonDir, 'refs'), gitDir];
  }
  const own = join(root, '.hg');
  const store = join(await storeOwner(own), 'store');
  return [own, store, join(store, 'data'), join(store, '00changelog.i')];
}

/** The `.hg` folder that has the store: another repository's after `hg share`. */
async function storeOwner(own: string): Promise<string> {
  try {
    return resolve(own, (await readFile(join(own, 'sharedpath'), 'utf8')).trimEnd());
  } catch (error) {
    // What may not be read may not be written either, and is told as that.
    if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) return own;
    throw error;
  }
}
