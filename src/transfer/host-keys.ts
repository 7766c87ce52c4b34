import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AgentError, isErrno } from '../lib/errors.js';
import { run } from '../lib/process.js';

/** One line of a known_hosts file. */
export interface HostKeyLine {
  /** `host` or `[host]:port`, as ssh looks it up. */
  readonly name: string;
  readonly type: string;
  /** Base64. */
  readonly key: string;
  /** `SHA256:…`, as ssh and ssh-keygen show it. */
  readonly fingerprint: string;
}

const HOST = /^(?:[\w.][\w.-]*@)?([\w.][\w.-]*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i;

/** Reads `user@host:port`; user and port may be missing. Throws AgentError 'invalid-config' for anything else. */
export function parseHost(text: string): { readonly host: string; readonly port: number } {
  const [, host, port = '22'] = HOST.exec(text) ?? [];
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535)
    return { host: host.replace(/[[\]]/g, ''), port: Number(port) };
  throw new AgentError('invalid-config', `${JSON.stringify(text)} is not user@host or user@host:port`, {
    retry: 'final',
  });
}

/**
 * The keys that a host shows to whoever asks: nothing proves yet that it is the right host. Throws AgentError
 * 'connection' when none come.
 */
export async function scanHostKeys(host: string, port: number, signal?: AbortSignal): Promise<HostKeyLine[]> {
  const { stdout, stderr } = await run('ssh-keyscan', ['-T', '10', '-p', String(port), '--', host], {
    okCodes: [0, 1],
    timeoutMs: 30_000,
    signal,
  });
  const keys = parseKnownHosts(stdout.toString('utf8'));
  if (keys.length > 0) return keys;
  throw new AgentError(
    'connection',
    `${host} port ${port} shows no host keys: ${stderr.trim() || 'no answer'}`,
    {
      retry: 'transient',
      hint: 'Check host, port and firewall.',
    },
  );
}

/** The readable lines of a known_hosts file; comments, markers and hashed names are left out. */
export function parseKnownHosts(text: string): HostKeyLine[] {
  return text.split('\n').flatMap((line) => {
    const [, name, type, key] = /^([^\s#@|]\S*) ([\w@.-]+) ([A-Za-z0-9+/]+=*)/.exec(line) ?? [];
    if (name === undefined || type === undefined || key === undefined) return [];
    const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64');
    return [{ name, type, key, fingerprint: `SHA256:${digest.replace(/=+$/, '')}` }];
  });
}

/**
 * Adds keys to a known_hosts file, which is made when it is missing; keys that it has are not added twice. Throws
 * AgentError 'conflict' when it has another key of the same host and type, unless `replace`.
 */
export async function pinHostKeys(
  file: string,
  keys: readonly HostKeyLine[],
  { replace }: { readonly replace: boolean },
): Promise<'unchanged' | 'written'> {
  const before = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  });
  const known = parseKnownHosts(before);
  const isSame = (a: HostKeyLine, b: HostKeyLine): boolean => a.name === b.name && a.type === b.type;
  const others = known.filter((old) => keys.some((key) => isSame(key, old) && key.key !== old.key));
  if (others.length > 0 && !replace)
    throw new AgentError(
      'conflict',
      `${file} has another ${others.map((key) => key.type).join(', ')} key for ${others[0]?.name ?? ''}`,
      {
        retry: 'final',
        hint: 'Somebody may stand in between. When the host is known to have a new key: --replace.',
      },
    );
  const fresh = keys.filter((key) => !known.some((old) => isSame(key, old) && old.key === key.key));
  if (fresh.length === 0) return 'unchanged';
  const kept = before
    .split('\n')
    .filter(
      (line) =>
        line !== '' &&
        !parseKnownHosts(line).some((old) => others.some((o) => o.key === old.key && isSame(o, old))),
    );
  const lines = [...kept, ...fresh.map((key) => `${key.name} ${key.type} ${key.key}`)];
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.slave-sync-${process.pid}`;
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o644 });
  await rename(temporary, file);
  return 'written';
}
