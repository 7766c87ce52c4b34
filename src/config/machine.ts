import { existsSync } from 'node:fs';
import { availableParallelism, homedir, hostname } from 'node:os';
import { join } from 'node:path';

/** What the defaults depend on besides the variables, so that reading the configuration stays a pure function. */
export interface Machine {
  readonly hostName: string;
  readonly cores: number;
  readonly isRoot: boolean;
  readonly home: string;
  /** True when the state repository has the folder `code/`, where operators keep the agent, its `.env` and its data. */
  hasCodeFolder(repositoryRoot: string): boolean;
}

export function thisMachine(): Machine {
  return {
    hostName: hostname(),
    cores: availableParallelism(),
    isRoot: process.getuid?.() === 0,
    home: homedir(),
    hasCodeFolder: (root) => existsSync(join(root, 'code')),
  };
}
