import { AgentError } from '../lib/errors.js';
import { CommandFailed, run } from '../lib/process.js';
import { rsyncError } from './errors.js';
import { forRsync, sshOption, withOptions } from './ssh-command.js';

/** 'unknown' and 'changed': the ssh command goes on all the same (StrictHostKeyChecking=no or accept-new). */
export type HostKey = 'known' | 'unknown' | 'changed';

/** Nothing is asked, nothing is remembered, and nobody waits for long. */
const QUIET = [
  'BatchMode=yes',
  'ConnectTimeout=8',
  'ConnectionAttempts=1',
  'UpdateHostKeys=no',
  'ControlMaster=no',
];

/**
 * Tries something over ssh without leaving a trace: a command that would add an unknown host key to known_hosts is first
 * run strictly, and then with no known_hosts at all. `attempt` gets the ssh command and throws what the program said.
 */
export async function tryHost<T>(
  ssh: readonly string[],
  attempt: (ssh: readonly string[]) => Promise<T>,
): Promise<{ readonly result: T; readonly hostKey: HostKey }> {
  try {
    const strict = withOptions(ssh, [...QUIET, 'StrictHostKeyChecking=yes']);
    return { result: await attempt(strict), hostKey: 'known' };
  } catch (error) {
    const said = stderrOf(error);
    const isLenient = ['no', 'off', 'accept-new'].includes(sshOption(ssh, 'StrictHostKeyChecking') ?? '');
    if (!isLenient || !said.includes('Host key verification failed')) throw error;
    const isChanged = said.includes('REMOTE HOST IDENTIFICATION HAS CHANGED');
    const forgetful = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
    const result = await attempt(withOptions(ssh, [...QUIET, ...forgetful]));
    return { result, hostKey: isChanged ? 'changed' : 'unknown' };
  }
}

/**
 * Asks a host's rsync for a file or folder, without fetching it: 'there', or 'missing'. Throws AgentError 'connection'
 * with ssh's words, 'command-failed'.
 */
export async function askForFile(
  host: string,
  path: string,
  ssh: readonly string[],
  signal: AbortSignal,
): Promise<'there' | 'missing'> {
  try {
    // -s: the path reaches rsync over there as it is, past the login shell; --dirs: of a folder itself, not what is in it.
    const { exitCode } = await run(
      'rsync',
      ['--list-only', '--dirs', '-s', '--timeout=10', '-e', forRsync(ssh), '--', `${host}:${path}`],
      { env: { LC_ALL: 'C.UTF-8', RSYNC_RSH: undefined }, okCodes: [0, 23, 24], signal },
    );
    return exitCode === 0 ? 'there' : 'missing';
  } catch (error) {
    throw error instanceof CommandFailed ? rsyncError(host, error.exitCode, error.stderr, error) : error;
  }
}

function stderrOf(error: unknown): string {
  if (error instanceof CommandFailed) return error.stderr;
  return error instanceof AgentError ? stderrOf(error.cause) : '';
}
