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
    return {
      zombie: state === 'Z' || state === 'X',
      name,
      commandLine: await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      cwd: await readlink(`/proc/${pid}/cwd`).catch(() => undefined),
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** All processes that can be seen and still work. */
export async function listProcesses(): Promise<{ pid: number; facts: ProcessFacts }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(async (pid) => ({ pid, facts: await inspectProcess(pid) })));
  return found.flatMap(({ pid, facts }) => (facts === undefined || facts.zombie ? [] : [{ pid, facts }]));
}
