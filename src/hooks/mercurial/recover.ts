import { access, lstat, readFile, readlink, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AgentError, isErrno, messageOf } from '../../lib/errors.js';
import { run } from '../../lib/process.js';
import { mercurialBinary, mercurialEnvironment } from '../environment.js';
import { inspectProcess } from '../processes.js';
import type { RecoverOptions } from '../recover.js';

/**
 * A lock of another host or container cannot be checked. A live one of this age is a pull whose hook works, which the
 * holder of the agent's lock knows not to exist; what remains is the lock of a container that was replaced.
 */
const FOREIGN_LOCK_AGE_MS = 10 * 60_000;
const LOCK_TIMEOUT_SECONDS = 10;

const LOCKS = [
  { file: 'store/lock', option: '-L' },
  { file: 'wlock', option: '-W' },
] as const;

/** `free` for a lock that Mercurial breaks by itself (its process is gone), and for none. */
type LockState = { readonly state: 'free' } | { readonly state: 'busy' | 'stale'; readonly holder: string };

/** See `recover()`. */
export async function recoverMercurial(root: string, options: RecoverOptions): Promise<string[]> {
  const folder = join(root, '.hg');
  const locks = await Promise.all(
    LOCKS.map(async (lock) => ({ ...lock, found: await inspectLock(join(folder, lock.file)) })),
  );
  for (const { found } of locks)
    if (found.state === 'busy') {
      options.log.info('the repository is in use', { holder: found.holder });
      return [];
    }
  const done: string[] = [];
  for (const { option, file, found } of locks) {
    if (found.state !== 'stale') continue;
    await hg(root, ['debuglocks', option], options);
    done.push(`broke the lock ${file} of ${found.holder}`);
  }
  if (await exists(join(folder, 'store', 'journal'))) {
    await hg(root, ['recover'], options);
    done.push('rolled an abandoned transaction back');
  }
  if (await exists(join(folder, 'updatestate'))) {
    await hg(root, ['update', '--clean', '--rev', '.'], options);
    done.push('finished an interrupted update');
  }
  for (const what of done) options.log.warn('repository recovered', { what });
  return done;
}

async function hg(root: string, args: readonly string[], options: RecoverOptions): Promise<void> {
  try {
    await run(mercurialBinary(options.env), [...args, '--config', `ui.timeout=${LOCK_TIMEOUT_SECONDS}`], {
      cwd: root,
      env: { ...mercurialEnvironment(options.env, root), HG_PENDING: undefined },
      signal: options.signal,
      timeoutMs: 30 * 60_000,
      graceMs: 30_000,
    });
  } catch (error) {
    if (error instanceof AgentError && error.reason !== 'command-failed') throw error;
    throw new AgentError('command-failed', messageOf(error), {
      retry: 'transient',
      hint: 'If it goes on, clone the repository anew: the record of what is applied lies elsewhere and is kept.',
      cause: error,
    });
  }
}

/** Reads a lock, a symbolic link to `host:pid` or, on Linux, `host/namespace of process ids:pid`. */
async function inspectLock(file: string): Promise<LockState> {
  try {
    const holder = await readlink(file).catch((error: unknown) => {
      if (isErrno(error, 'EINVAL')) return readFile(file, 'utf8');
      throw error;
    });
    const [, host, pid] = /^(.*):(\d+)$/s.exec(holder.trim()) ?? [];
    if (host !== (await lockHost())) {
      const age = Date.now() - (await lstat(file)).mtimeMs;
      return { state: age > FOREIGN_LOCK_AGE_MS ? 'stale' : 'busy', holder };
    }
    const found = await inspectProcess(Number(pid));
    if (found === undefined) return { state: 'free' };
    // Mercurial asks with `kill -0` only, and so waits for a zombie, or for whoever got the id since.
    const isMercurial = found.commandLine === '' || /(?:^|[/\0])c?hg[\0[]/.test(found.commandLine);
    return { state: isMercurial && !found.zombie ? 'busy' : 'stale', holder };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return { state: 'free' };
    throw error;
  }
}

/** How Mercurial names this host in its locks (mercurial/lock.py, `_getlockprefix`). */
async function lockHost(): Promise<string> {
  const namespace = await stat('/proc/self/ns/pid').catch(() => undefined);
  return namespace === undefined ? hostname() : `${hostname()}/${namespace.ino.toString(16)}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
