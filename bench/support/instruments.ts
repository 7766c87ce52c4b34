import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { postgresBin, which } from '../../scripts/programs.mjs';
import { tempDir } from '../../test/support/temp.js';

export interface NodeUsage {
  /** The command line without the path of Node. */
  readonly command: string;
  readonly peakBytes: number;
  /** User and system time of the process itself. */
  readonly cpuMs: number;
}

/** Counts what a command starts. It costs a shell for each program: not for runs whose time is taken. */
export interface Instruments {
  /** To be set for the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Program -> how often it was started. What the kernel starts from an absolute path (`/bin/sh` for a hook) is not in it. */
  programs(): Map<string, number>;
  /** One for each Node process that has ended. */
  nodes(): NodeUsage[];
}

/** A command that calls any other program than these finds none, and fails: nothing goes uncounted. */
const PROGRAMS = ['hg', 'git', 'ssh', 'rsync', 'sh', 'setpriv', 'env'];
const DATABASE_PROGRAMS = ['pg_restore', 'pg_dump', 'psql'];

export async function makeInstruments(): Promise<Instruments> {
  const dir = await tempDir('instruments');
  const [programLog, nodeLog, reporter] = [
    join(dir, 'programs.log'),
    join(dir, 'node.log'),
    join(dir, 'report.cjs'),
  ];
  const binDir = postgresBin();
  const paths = [
    ...PROGRAMS.map((name) => [name, which(name)] as const),
    ...DATABASE_PROGRAMS.map(
      (name) => [name, binDir === undefined ? undefined : join(binDir, name)] as const,
    ),
  ];
  for (const [name, path] of paths) {
    if (path === undefined) continue;
    const file = join(dir, name);
    await writeFile(file, `#!/bin/sh\necho ${name} >>'${programLog}'\nexec '${path}' "$@"\n`);
    await chmod(file, 0o755);
  }
  await writeFile(
    reporter,
    `process.once('exit', () => {
      const fs = require('node:fs');
      const { userCPUTime, systemCPUTime } = process.resourceUsage();
      // Not maxRSS, which begins with that of the process that started it.
      const peakBytes = Number(/^VmHWM:\\s+(\\d+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
      const usage = { command: process.argv.slice(1).join(' '), peakBytes, cpuMs: (userCPUTime + systemCPUTime) / 1000 };
      fs.appendFileSync(${JSON.stringify(nodeLog)}, JSON.stringify(usage) + '\\n');
    });\n`,
  );
  const lines = (file: string): string[] =>
    existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  return {
    env: {
      PATH: dir,
      // Mercurial tells its hooks, and they their Mercurial, by the path of the program itself.
      HG: join(dir, 'hg'),
      PG_BIN_DIR: dir,
      NODE_OPTIONS: `--require=${reporter}`,
    },
    programs: () => {
      const counts = new Map<string, number>();
      for (const name of lines(programLog)) counts.set(name, (counts.get(name) ?? 0) + 1);
      return counts;
    },
    nodes: () => lines(nodeLog).map((line) => JSON.parse(line) as NodeUsage),
  };
}

/** For `env`: NAME=value words. */
export function words(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}
