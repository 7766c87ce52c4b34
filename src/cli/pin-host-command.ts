import { dirname, join, resolve } from 'node:path';
import { AgentError } from '../lib/errors.js';
import { parseHost, pinHostKeys, scanHostKeys } from '../transfer/host-keys.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

export interface PinOptions {
  /** The known_hosts file; default: beside the record. */
  readonly file?: string;
  /** Only a key with this fingerprint (`SHA256:…`) is taken. */
  readonly fingerprint?: string;
  readonly replace?: boolean;
}

/** Fetches a host's keys, shows their fingerprints, and keeps them in a known_hosts file of slave-sync's own. */
export async function pinHostCommand(
  open: () => Promise<Session>,
  target: string,
  { file, fingerprint, replace = false }: PinOptions,
): Promise<number> {
  const { host, port } = parseHost(target);
  const shown = await scanHostKeys(host, port);
  const keys = fingerprint === undefined ? shown : shown.filter((key) => key.fingerprint === fingerprint);
  for (const key of shown) process.stdout.write(`${key.name} ${key.type} ${key.fingerprint}\n`);
  if (keys.length === 0)
    throw new AgentError('conflict', `${host} shows no key with the fingerprint ${fingerprint ?? ''}`, {
      retry: 'final',
      hint: 'Nothing was written. Somebody may stand in between, or the fingerprint is of another host.',
    });
  const path =
    file === undefined ? join(dirname((await open()).config.statePath), 'known_hosts') : resolve(file);
  const change = await pinHostKeys(path, keys, { replace });
  const port22 = port === 22 ? '' : ` -p ${port}`;
  process.stdout.write(`${change === 'written' ? 'written to' : 'known already in'} ${path}
${fingerprint === undefined ? 'Compare them with what `ssh-keygen -lf` says of the keys in /etc/ssh on that host, before you trust them.\n' : ''}Then, in BORG_SSH: ssh${port22} … -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${path}
`);
  return EXIT.ok;
}
