import { AgentError } from '../lib/errors.js';
import { tail } from '../lib/process.js';

/** What ssh says, and what the operator can do about it. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    'The host key differs from the known one: make sure that the host is the right one, then mend known_hosts.',
  ],
  [
    /Host key verification failed|No .* host key is known/,
    'The host key is not known: add it with `slave-sync pin-host`, compared with the host’s own key.',
  ],
  [
    /Permission denied \(|Too many authentication failures/,
    'The host refuses the key: check the key file in the ssh command and authorized_keys on the host.',
  ],
  [
    /UNPROTECTED PRIVATE KEY FILE|bad permissions/i,
    'The key file must be readable by its owner only (0600).',
  ],
  [/Could not resolve hostname/, 'The host name cannot be resolved: check it, and the name server.'],
  [/Connection refused/, 'Nothing listens there: check host, port and firewall.'],
  [/timed out|Network is unreachable|No route to host/, 'The host does not answer: check the network.'],
  [/command not found|\(code 127\)/, 'rsync is not installed on the host.'],
];

/** rsync's exit codes for a connection that failed or broke: 10 socket, 12 protocol stream, 30 and 35 timeout; 255 is ssh's own. */
const CONNECTION_CODES = new Set([5, 10, 12, 30, 35, 126, 127, 255]);

export function connectionError(host: string, stderr: string, cause: unknown): AgentError {
  const hint = HINTS.find(([pattern]) => pattern.test(stderr))?.[1];
  const why = tail(meaningful(stderr), 500) || 'no message';
  return new AgentError('connection', `the connection to ${host} failed: ${why}`, {
    retry: 'transient',
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** True when ssh itself said that it could not connect, so that trying once more in another way is of no use. */
export function isRefusedConnection(stderr: string): boolean {
  return HINTS.some(([pattern]) => pattern.test(stderr));
}

/** An AgentError for an rsync that failed as a whole. */
export function rsyncError(
  host: string,
  exitCode: number | undefined,
  stderr: string,
  cause: unknown,
): AgentError {
  if (isDiskFull(stderr)) return diskFull(stderr, cause);
  if (exitCode !== undefined && CONNECTION_CODES.has(exitCode)) return connectionError(host, stderr, cause);
  return new AgentError(
    'command-failed',
    `rsync with ${host} exited with ${exitCode ?? 'an error'}: ${tail(meaningful(stderr), 500)}`,
    { retry: 'transient', cause },
  );
}

export function isDiskFull(stderr: string): boolean {
  return /No space left on device|Disk quota exceeded/.test(stderr);
}

export function diskFull(stderr: string, cause: unknown): AgentError {
  const line = stderr.split('\n').find(isDiskFull) ?? stderr;
  return new AgentError('disk-full', `no space left: ${tail(line, 500)}`, {
    retry: 'transient',
    cause,
    hint: 'Make room, or lower CACHE_MAX_BYTES.',
  });
}

/** Without the lines that rsync adds to every failure. */
function meaningful(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !/^rsync error:|^@+$|^\s*$/.test(line))
    .join('\n');
}

/** Why one file did not come over; undefined when it is a victim of the failure of the whole call. */
export function fileError(
  host: string,
  path: string,
  outcome: { readonly stderr: string; readonly failure: AgentError | undefined },
): AgentError | undefined {
  const said = outcome.stderr.split('\n').filter((line) => line.includes(`"${path}"`));
  const why = said.map((line) => line.split(': ').at(-1) ?? line).join(', ');
  if (said.some((line) => /No such file|Not a directory|vanished/.test(line)))
    return missing(host, path, 'is missing');
  if (said.length > 0) return missing(host, path, `cannot be read: ${why}`);
  if (outcome.failure) return undefined;
  return missing(host, path, 'is no regular file');
}

/** `where`: a host, or 'this machine'. */
export function missing(where: string, path: string, what: string): AgentError {
  return new AgentError('missing-at-source', `${path} on ${where} ${what}`, {
    retry: 'remote',
    hint: 'The master may be in the middle of publishing; otherwise publish again.',
  });
}

export function checksumMismatch(
  where: string,
  path: string,
  expected: string | undefined,
  actual: string,
): AgentError {
  return new AgentError(
    'checksum-mismatch',
    `${path} on ${where} has the MD5 ${actual}, the task file says ${expected ?? 'nothing'}`,
    {
      retry: 'remote',
      hint: 'The master has probably published again: its next task file, or the file mended, will do.',
    },
  );
}
