/**
 * Stands in for slave-sync in a hook: `probe.ts <file> hook hg|git [<phase>]` appends what it sees to the file as one
 * line of JSON, and refuses while `<file>.refuse` exists.
 */
import { existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { incomingRevision, type GitHookPhase } from '../../src/hooks/git/transaction.js';
import { openRepository } from '../../src/hooks/repository.js';
import { silentLogger } from '../../src/lib/log.js';

const [file = '', , vcs, phase] = process.argv.slice(2);
const root = process.cwd();
const env = process.env;

async function see(): Promise<unknown> {
  let revision: string | undefined;
  if (vcs === 'git') {
    const input = await text(process.stdin);
    revision = await incomingRevision({ root, phase: phase as GitHookPhase, input, env });
    if (revision === undefined) return { nothing: phase };
  }
  const repository = await openRepository({ root, env, log: silentLogger, revision });
  try {
    const target = await repository.target();
    const { entries } = await repository.manifest(target);
    const contents = await repository.read(target, entries);
    const files = Object.fromEntries(Array.from(contents, ([path, bytes]) => [path, bytes.toString('utf8')]));
    return { target, rootId: await repository.rootId(target), files };
  } finally {
    await repository.close();
  }
}

const seen = await see().catch((error: unknown) => ({ error: String(error) }));
await appendFile(file, `${JSON.stringify(seen)}\n`);
if (existsSync(`${file}.refuse`) || (seen !== null && typeof seen === 'object' && 'error' in seen))
  process.exitCode = 1;
