import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Someone else than root, for what refuses to run as root (PostgreSQL); undefined when we are not root. */
export interface OtherUser {
  readonly uid: number;
  readonly gid: number;
}

const atExit: (() => void)[] = [];
let base: string | undefined;

/** A new empty folder, mode 0700, removed when this process ends, however it ends. The path is short and has no odd characters. */
export async function tempDir(prefix = 'tmp'): Promise<string> {
  return mkdtemp(join(baseDir(), `${prefix}-`));
}

/** Runs when this process ends by itself or by a signal it can catch, newest first; must be synchronous. */
export function onExit(action: () => void): void {
  baseDir();
  atExit.unshift(action);
}

/** Arguments for setpriv(1): a child started with them ends with this process, even when that is killed with -9. */
export function diesWithUs(signal: string, user?: OtherUser): string[] {
  const identity = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  return [...identity, `--pdeathsig=${signal}`, '--'];
}

function baseDir(): string {
  if (base !== undefined) return base;
  const dir = mkdtempSync(join(parentDir(), 'slave-sync-'));
  // Others may pass through (the database's user has its folder in here), not look.
  chmodSync(dir, 0o711);
  base = dir;
  process.once('exit', () => {
    for (const action of atExit) action();
    rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
  });
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code));
  removeAfterKill(dir);
  return dir;
}

/** Where others can pass through, too: pam_tmpdir gives root a TMPDIR of its own. */
function parentDir(): string {
  const dir = tmpdir();
  const shared = (statSync(dir).mode & 0o001) !== 0;
  return shared && /^[\w./-]+$/.test(dir) ? dir : '/tmp';
}

/** A kill -9 runs no exit handler: a shell that waits for the end of its input, which is the end of this process. */
function removeAfterKill(dir: string): void {
  const script = 'cat >/dev/null; for i in 1 2 3 4 5; do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.2; done';
  const watcher = spawn('sh', ['-c', script, 'remove-after-kill', dir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  watcher.unref();
  // A pipe is a socket in Node, typed as a stream without unref.
  (watcher.stdin as unknown as { unref(): void }).unref();
}
