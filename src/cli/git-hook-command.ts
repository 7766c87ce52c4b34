import { HOOK_SWITCH } from '../hooks/environment.js';
import { GIT_HOOK_PHASES, incomingRevision } from '../hooks/git/transaction.js';
import { AgentError } from '../lib/errors.js';
import { EXIT } from './exit-codes.js';
import { reconcileCommand } from './reconcile-command.js';
import type { Session } from './session.js';

/** git's hook: judges the update of the followed branch, and lets everything else pass. */
export async function gitHookCommand(phase: string, open: () => Promise<Session>): Promise<number> {
  const known = GIT_HOOK_PHASES.find((candidate) => candidate === phase);
  if (known === undefined)
    throw new AgentError(
      'invalid-config',
      `${phase} is no phase of a git hook: ${GIT_HOOK_PHASES.join(', ')}`,
      {
        retry: 'final',
      },
    );
  if ((known !== 'prepared' && known !== 'pre-receive') || process.env[HOOK_SWITCH] === 'off') return EXIT.ok;
  const input = await readStdin();
  if (input.trim() === '') return EXIT.ok;
  const session = await open();
  const revision = await incomingRevision({
    root: session.location.root,
    phase: known,
    input,
    branch: session.config.branch,
    env: process.env,
  });
  if (revision === undefined) return EXIT.ok;
  return reconcileCommand(session, { command: `hook git ${known}`, inTransaction: true, revision, input });
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
