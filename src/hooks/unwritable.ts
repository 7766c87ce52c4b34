import { AgentError } from '../lib/errors.js';
import type { CommandFailed } from '../lib/process.js';

/**
 * The failure of a VCS that this machine does not let write to the repository: its disk is full, or what is `denied`
 * belongs to another user. Undefined for anything else. To be asked before the lock rules, since a lock that cannot be
 * written looks like one that somebody holds, and what nobody holds would be waited for in silence for ever.
 */
export function explainUnwritable(
  error: CommandFailed,
  message: string,
  denied: RegExp,
): AgentError | undefined {
  // What the other end complains of is nothing that can be mended here.
  const local = error.stderr.replace(/^remote: .*$/gm, '');
  if (/No space left on device|Disk quota exceeded/.test(local))
    return new AgentError('disk-full', message, {
      retry: 'transient',
      hint: 'Make room on the disk of the state repository.',
      cause: error,
    });
  if (denied.test(local))
    return new AgentError('command-failed', message, {
      retry: 'transient',
      hint: 'Run slave-sync as the user that the repository belongs to, or mend its owner.',
      cause: error,
    });
  return undefined;
}
