import { readdir, readFile, readlink } from 'node:fs/promises';
import { isErrno } from '../lib/errors.js';

/** What the kernel says about a process; parts that belong to another user may be hidden. */
export interface ProcessFacts {
  /** Ended, but not yet waited for by its parent: it does nothing any more, though `kill -0` still finds it. */
  readonly zombie: boolean;
  /** The program's short name. */
  readonly name: string;
  /** Its arguments, each followed by NUL; empty when hidden. */
  readonly commandLine: string;
  readonly cwd: string | undefined;
}

/** Looks a process up in /proc; `undefined` when there is none. */
export async function inspectProcess(pid: number): Promise<ProcessFacts | undefined> {
  try {
    const [, name = '', state = ''] =
      /^\d+ \((.*)\) (\S)/s.exec(await readFile(`/proc/${pid}/stat`, 'utf8')) ?? [];
    const [commandLine, cwd] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch((error: unknown) => error),
    ]);
    // One that ends while it is looked at has no folder any more, as a zombie has none.
    const ended = isGone(cwd);
    return {
      zombie: ended || state === 'Z' || state === 'X',
      name,
      commandLine,
      cwd: typeof cwd === 'string' ? cwd : undefined,
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH');
}

/** All processes that can be seen and still work. */
export async function listProcesses(): Promise<{ pid: number; facts: ProcessFacts }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(async (pid) => ({ pid, facts: await inspectProcess(pid) })));
  return found.flatMap(({ pid, facts }) => (facts === undefined || facts.zombie ? [] : [{ pid, facts }]));
}
