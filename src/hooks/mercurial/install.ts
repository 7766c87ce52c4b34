import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../lib/errors.js';
import { run } from '../../lib/process.js';
import { mercurialBinary, mercurialEnvironment } from '../environment.js';
import type { HookCommand, InstallOptions, InstallPlan } from '../install.js';
import { isOurHook } from '../ours.js';
import { shellLine } from '../shell.js';
import { editHgrc } from './hgrc.js';

/** What `slave-sync init` has to change in .hg/hgrc. */
export async function planMercurial(options: InstallOptions, hook: HookCommand): Promise<InstallPlan> {
  const file = join(options.repository.root, '.hg', 'hgrc');
  const before = await readFile(file).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  const edit = editHgrc(before?.toString('latin1') ?? '', {
    incoming: latin1(incomingHookLine(hook)),
    deny: latin1(shellLine([...hook.command, 'hook', 'deny'])),
  });
  const after = Buffer.from(edit.text, 'latin1');
  const what = edit.what.map((line) => Buffer.from(line, 'latin1').toString('utf8'));
  return {
    changes: what.length === 0 ? [] : [{ type: 'write', file, before, after, executable: false, what }],
    warnings: await findObstacles(file, options),
  };
}

/**
 * The value of `pretxnchangegroup.slave-sync`. Mercurial runs it with `sh -c` and, when it is told to end, kills that
 * shell alone with KILL: the hook would go on as an orphan, beside the next pull's hook. So the shell becomes setpriv
 * (exec), which asks the kernel for KILL at Mercurial's death; its child, an sh that the last `exit` keeps from being
 * replaced, dies of it, and slave-sync itself asked for TERM at that sh's death and ends tidily.
 */
function incomingHookLine({ command, setpriv }: HookCommand): string {
  const own = [...command, 'hook', 'hg'];
  if (setpriv === undefined) return shellLine(own);
  const inner = `${shellLine([setpriv, '--pdeathsig', 'TERM', ...own])}; exit $?`;
  return `exec ${shellLine([setpriv, '--pdeathsig', 'KILL', 'sh', '-c', inner])}`;
}

/** Hooks of an agent in other configuration files, and a file that Mercurial does not trust. */
async function findObstacles(file: string, options: InstallOptions): Promise<string[]> {
  const { root } = options.repository;
  const { stdout, stderr } = await run(
    mercurialBinary(options.env),
    ['config', '-R', root, 'hooks', '-T', '{source}\\0{name}\\0{value}\\0'],
    {
      cwd: root,
      env: mercurialEnvironment(options.env, root),
      okCodes: [0, 1],
      signal: options.signal,
      timeoutMs: 60_000,
    },
  );
  const warnings: string[] = [];
  const parts = stdout.toString('utf8').split('\0');
  for (let i = 0; i + 2 < parts.length; i += 3) {
    const [source = '', name = '', value = ''] = parts.slice(i, i + 3);
    if (source.startsWith(file) || !isOurHook(name.replace(/^hooks\./, ''), value)) continue;
    warnings.push(`${source} sets ${name}, too: remove it there, or two agents run at each pull`);
  }
  const untrusted = /^not trusting file .*$/m.exec(stderr)?.[0];
  if (untrusted !== undefined)
    warnings.push(`Mercurial refuses the hooks: ${untrusted}; chown the repository, or set [trusted] users`);
  return warnings;
}

/** Text as UTF-8, one character per byte. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
