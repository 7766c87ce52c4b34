import { readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import { CHILD_MARK, killGroup } from '../lib/process.js';

const GRACE_MS = 5_000;

/**
 * Ends what a killed agent left running (rsync, pg_restore and their children). Called under the lock, so no process
 * marked with this record's folder belongs to a living run. Only Linux shows the environment of processes; elsewhere this
 * finds nothing, and the adapters find orphaned database sessions by their name all the same.
 */
export async function endOrphans(folder: string, deps: { clock: Clock; log: Logger }): Promise<void> {
  let orphans = await findOrphans(folder);
  if (orphans.length === 0) return;
  deps.log.warn('ending processes of a run that was killed', { pids: orphans });
  for (const pid of orphans) killProcess(pid, 'SIGTERM');
  for (let waited = 0; waited < GRACE_MS; waited += 100) {
    await deps.clock.sleep(100);
    orphans = await findOrphans(folder);
    if (orphans.length === 0) return;
  }
  for (const pid of orphans) killProcess(pid, 'SIGKILL');
}

async function findOrphans(folder: string): Promise<number[]> {
  const mark = `${CHILD_MARK}=${folder}`;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const ours = ancestors(await Promise.all(pids.map(readStat)));
  const marked = await Promise.all(
    pids
      .filter((pid) => !ours.has(pid))
      .map(async (pid) => {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        return environment.split('\0').includes(mark) ? [pid] : [];
      }),
  );
  return marked.flat();
}

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
}

async function readStat(pid: number): Promise<ProcessStat> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // pid (name) state ppid ...; the name may hold anything, also ")".
  return { pid, parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0) };
}

/** This process and those above it: a hook below a marked daemon is no orphan. */
function ancestors(stats: readonly ProcessStat[]): Set<number> {
  const parents = new Map(stats.map(({ pid, parent }) => [pid, parent]));
  const result = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 0; pid = parents.get(pid)) {
    if (result.has(pid)) break;
    result.add(pid);
  }
  return result;
}

function killProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    return; // It ended by itself, or is not ours to end.
  }
  killGroup(pid, signal);
}
