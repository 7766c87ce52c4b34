import { readdirSync, readFileSync } from 'node:fs';

/** A variable in the environment of everything that a case starts. */
export const MARK = 'SLAVE_SYNC_FAULT_CASE';

export interface Found {
  readonly pid: number;
  /** The file name of the program, of a script its own. */
  readonly name: string;
  readonly words: readonly string[];
}

/** The processes with this mark (the value of a variable) in their environment, zombies left out. */
export function findMarked(mark: string, variable = MARK): Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${variable}=${mark}\0`)) return [];
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
        return words.length === 0 ? [] : [{ pid: Number(pid), name: nameOf(words), words }];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

function nameOf([program = '', script = '']: readonly string[]): string {
  const interpreter = /(^|\/)(node|python[\d.]*|sh)$/.test(program);
  return (interpreter ? script : program).split('/').at(-1) ?? '';
}

export function kill(found: readonly Pick<Found, 'pid'>[], signal: NodeJS.Signals): void {
  for (const { pid } of found)
    try {
      process.kill(pid, signal);
    } catch {
      // It ended before.
    }
}
