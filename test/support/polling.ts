import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './daemon.js';
import type { CommandOutcome } from './repository.js';
import type { Rig } from './rig.js';
import { diesWithUs, tempDir } from './temp.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const START_MS = 20_000;
const TICKS_MS = 60_000;

export interface PollingDaemon {
  readonly pid: number;
  readonly ended: Promise<CommandOutcome>;
  log(): string;
  /** How many ticks have ended; the slave's LOG_LEVEL has to be debug. */
  ticks(): number;
  /** Waits for that many ticks since the start. */
  reach(count: number): Promise<void>;
}

/** `slave-sync poll` in the slave's clone; it ends with this process. */
export async function startPolling(rig: Rig, cli = CLI): Promise<PollingDaemon> {
  const folder = await tempDir('daemon');
  const [pidFile, logFile] = [join(folder, 'pid'), join(folder, 'log')];
  await Promise.all([writeFile(pidFile, ''), writeFile(logFile, '')]);
  const script = `echo $$ >'${pidFile}'; exec "$@" >'${logFile}' 2>&1`;
  // A small young generation: what a tick leaves is collected soon, and memory shows what is kept.
  const node = [process.execPath, '--max-semi-space-size=1', cli];
  const ended = rig.exec('setpriv', ...diesWithUs('TERM'), 'sh', '-c', script, 'sh', ...node, 'poll');
  const log = (): string => readFileSync(logFile, 'utf8');
  const ticks = counter(logFile, 'poll ended');
  const demand = async (is: () => boolean, limitMs: number): Promise<void> => {
    if (!(await until(is, limitMs))) throw new Error(`not within ${limitMs} ms:\n${log().slice(-8_000)}`);
  };
  await demand(() => log().includes('daemon started'), START_MS);
  const pid = Number(await readFile(pidFile, 'utf8'));
  return { pid, ended, log, ticks, reach: (count) => demand(() => ticks() >= count, TICKS_MS) };
}

/** Open files and anonymous memory, in KiB, of a process. */
export async function usage(pid: number): Promise<{ files: number; memory: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const files = await readdir(`/proc/${pid}/fd`);
  return { files: files.length, memory: Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1]) };
}

/** Counts the lines of a growing file that hold a text, reading each part of it once. */
function counter(file: string, text: string): () => number {
  let [position, count, rest] = [0, 0, ''];
  const buffer = Buffer.alloc(65_536);
  return () => {
    const descriptor = openSync(file, 'r');
    try {
      for (let length; (length = readSync(descriptor, buffer, 0, buffer.length, position)) > 0;) {
        position += length;
        const lines = (rest + buffer.toString('latin1', 0, length)).split('\n');
        rest = lines.pop() ?? '';
        count += lines.filter((line) => line.includes(text)).length;
      }
    } finally {
      closeSync(descriptor);
    }
    return count;
  };
}
