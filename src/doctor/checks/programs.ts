import { run } from '../../lib/process.js';
import { splitCommand } from '../../transfer/ssh-command.js';
import type { Check, Finding, Surroundings } from '../check.js';
import { failure, oneLine } from '../check.js';

interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** The oldest version that understands what it is asked for. */
  readonly least?: readonly [number, number];
}

/** The programs that a run starts, and their versions; those of PostgreSQL have a check of their own. */
export const programs: Check = {
  name: 'programs',
  run: async (surroundings) => [
    { name: 'node', state: 'ok', message: process.versions.node },
    ...(await Promise.all(needed(surroundings).map((program) => look(program, surroundings.signal)))),
  ],
};

function needed({ config, location, env }: Surroundings): Program[] {
  const commands = [config.stateSsh, config.dataSsh].map((line) => splitCommand(line)[0] ?? 'ssh');
  return [
    location.vcs === 'hg'
      ? { file: env['HG'] ?? 'hg', args: ['version', '-q'], least: [5, 7] }
      : { file: 'git', args: ['--version'], least: [2, 31] },
    { file: 'rsync', args: ['--version'], least: [3, 1] },
    ...[...new Set(commands)].map((file) => ({ file, args: ['-V'] })),
  ];
}

async function look({ file, args, least }: Program, signal: AbortSignal): Promise<Finding> {
  const name = file.split('/').at(-1) ?? file;
  try {
    // ssh says its version on stderr.
    const { stdout, stderr } = await run(file, args, { signal, timeoutMs: 10_000 });
    const said = oneLine(`${stdout.toString('utf8')} ${stderr}`);
    const [version, major = '0', minor = '0'] = /(\d+)\.(\d+)[\w.]*/.exec(said) ?? ['no version'];
    if (least !== undefined && isOlder([Number(major), Number(minor)], least))
      return {
        name,
        state: 'failed',
        message: `${version} is too old`,
        hint: `Install ${name} ${least.join('.')} or newer.`,
      };
    return { name, state: 'ok', message: version };
  } catch (error) {
    return failure(name, error);
  }
}

function isOlder(version: readonly [number, number], least: readonly [number, number]): boolean {
  return version[0] < least[0] || (version[0] === least[0] && version[1] < least[1]);
}
