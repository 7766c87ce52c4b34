import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../lib/errors.js';
import { listProcesses } from '../processes.js';
import type { RecoverOptions } from '../recover.js';
import { findFollowedBranch, type FollowedBranch } from './followed.js';

/** git holds these locks for moments, unless a hook works; a git that cannot be seen (another container) gets this long. */
const LOCK_AGE_MS = 60_000;
/** Nobody holds one for so long, in whatever repository a git of another user may work. */
const ANYBODYS_LOCK_AGE_MS = 60 * 60_000;

/** The locks beside those of single refs; `index.lock` keeps an operator's `git pull` from working. */
const LOCKS = ['HEAD.lock', 'packed-refs.lock', 'shallow.lock', 'config.lock', 'index.lock'];

/** See `recover()`. git has no command for this, and a lock does not say whose it is. */
export async function recoverGit(root: string, options: RecoverOptions): Promise<string[]> {
  const followed = await findFollowedBranch(root, { env: options.env, signal: options.signal });
  const stale = await staleLocks(followed);
  if (stale.length === 0) return [];
  const ages = stale.map(({ ageMs }) => ageMs);
  const user = await findUser(followed, Math.min(...ages) <= ANYBODYS_LOCK_AGE_MS);
  if (user !== undefined) {
    options.log.info('the repository is in use', { pid: user });
    return [];
  }
  const done: string[] = [];
  for (const { file } of stale) {
    await unlink(file);
    done.push(`removed the stale lock ${file}`);
    options.log.warn('repository recovered', { what: `removed the stale lock ${file}` });
  }
  return done;
}

interface StaleLock {
  readonly file: string;
  readonly ageMs: number;
}

async function staleLocks({ gitDir, commonDir }: FollowedBranch): Promise<StaleLock[]> {
  const refs = await readdir(join(commonDir, 'refs'), { recursive: true });
  const candidates = new Set([
    ...refs.filter((name) => name.endsWith('.lock')).map((name) => join(commonDir, 'refs', name)),
    ...[gitDir, commonDir].flatMap((folder) => LOCKS.map((name) => join(folder, name))),
  ]);
  const stale: StaleLock[] = [];
  for (const file of candidates) {
    try {
      const ageMs = Date.now() - (await stat(file)).mtimeMs;
      if (ageMs > LOCK_AGE_MS) stale.push({ file, ageMs });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return stale;
}

/**
 * The id of a git process that works in this repository, or may do so: one whose folder is hidden, if these count. `git`
 * and `git-upload-pack`, but not gitea or gitlab-runner, which are there for ever and mostly work as somebody else.
 */
async function findUser(
  { root, gitDir, commonDir }: FollowedBranch,
  isHiddenCounted: boolean,
): Promise<number | undefined> {
  const folders = [root, gitDir, commonDir];
  const processes = await listProcesses();
  return processes.find(({ facts: { name, cwd, commandLine } }) => {
    if (!/^git(-|$)/.test(name)) return false;
    if (cwd === undefined && isHiddenCounted) return true;
    return folders.some(
      (folder) => cwd === folder || cwd?.startsWith(`${folder}/`) === true || commandLine.includes(folder),
    );
  })?.pid;
}
