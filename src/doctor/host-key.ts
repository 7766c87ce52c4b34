import type { HostKey } from '../transfer/probe.js';
import type { Finding } from './check.js';

/** What it means that a host could be reached, given how well it is known. */
export function judgeHostKey(
  { name, message }: Pick<Finding, 'name' | 'message'>,
  hostKey: HostKey,
): Finding {
  const hint = 'Pin its key: slave-sync pin-host <user@host>, and use StrictHostKeyChecking=yes.';
  if (hostKey === 'known') return { name, state: 'ok', message };
  if (hostKey === 'unknown')
    return {
      name,
      state: 'warning',
      message: `${message}; its host key is not known, and the ssh command accepts any`,
      hint,
    };
  return {
    name,
    state: 'failed',
    message: `${message}, but its host key has changed, and the ssh command goes on all the same`,
    hint: `Make sure that it is the right host. ${hint}`,
  };
}
