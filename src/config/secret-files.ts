import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isErrno, messageOf } from '../lib/errors.js';
import type { ConfigProblem, Source } from './reader.js';
import { VARIABLES } from './variables.js';

export interface SecretFiles {
  readonly values: Readonly<Record<string, string>>;
  readonly sources: Readonly<Record<string, Source>>;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Secrets that lie in files of their own: `NAME_FILE` names the file; systemd puts one per credential, named like the
 * variable, into the folder CREDENTIALS_DIRECTORY. A variable of the process wins over a credential, and a credential
 * over the environment file; both NAME and NAME_FILE is an error, as is a file without a secret, which would silently mean the
 * default. One line end at the end of a file is not part of the secret.
 */
export async function readSecretFiles(
  env: Readonly<Record<string, string | undefined>>,
  sources: Readonly<Record<string, Source>>,
  cwd: string,
): Promise<SecretFiles> {
  const values: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  const credentials = env['CREDENTIALS_DIRECTORY'];
  for (const { name } of VARIABLES.filter(({ kind }) => kind === 'secret')) {
    const path = env[`${name}_FILE`];
    if (path !== undefined && path !== '') {
      if ((env[name] ?? '') !== '') problems.push({ variable: name, reason: `${name}_FILE is set as well` });
      else
        try {
          const secret = await readSecret(resolve(cwd, path));
          if (secret === undefined) problems.push({ variable: `${name}_FILE`, reason: 'is empty' });
          else values[name] = secret;
        } catch (error) {
          problems.push({ variable: `${name}_FILE`, reason: `cannot be read: ${messageOf(error)}` });
        }
    } else if (credentials !== undefined && credentials !== '' && sources[name] !== 'environment')
      try {
        const secret = await readSecret(join(credentials, name));
        if (secret === undefined) problems.push({ variable: name, reason: 'its credential is empty' });
        else values[name] = secret;
      } catch (error) {
        if (!isErrno(error, 'ENOENT'))
          problems.push({ variable: name, reason: `its credential cannot be read: ${messageOf(error)}` });
      }
  }
  const credentialSources = Object.keys(values).map((name) => [name, 'credential'] as const);
  return { values, sources: Object.fromEntries(credentialSources), problems };
}

/** Undefined for a file of nothing but spaces, which as the value of a variable counts as not set. */
async function readSecret(path: string): Promise<string | undefined> {
  const secret = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  return secret.trim() === '' ? undefined : secret;
}
