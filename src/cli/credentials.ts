import type { Config } from '../config.js';
import type { Source } from '../config/reader.js';
import { VARIABLES, type VariableName } from '../config/variables.js';
import { AgentError } from '../lib/errors.js';
import type { StateStore } from '../state/store.js';

export type CredentialsConfig = Pick<Config, 'settings' | 'skip' | 'master'>;

/** The record's setting with the names of the secrets that came from a file or a systemd credential; never their values. */
const CREDENTIALS = 'credentials';

/**
 * Refuses a run that lacks a secret which the runs before had from a file or a systemd credential: systemd gives credentials
 * to the service only, so that a run by hand would take the documented default and write it into live stores. Throws
 * AgentError 'invalid-config' that names all of them; otherwise remembers which secrets come that way.
 */
export function checkCredentials(
  config: CredentialsConfig,
  store: Pick<StateStore, 'setting' | 'setSetting'>,
): void {
  const before = store.setting(CREDENTIALS) ?? '';
  const known = new Set(before.split(' '));
  const secrets = VARIABLES.flatMap(({ name, kind }) =>
    kind === 'secret' ? { name, isKnown: known.has(name), source: sourceOf(name, config) } : [],
  );
  const missing = secrets.filter(
    ({ name, isKnown, source }) => isKnown && source === 'default' && isNeeded(name, config),
  );
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    throw new AgentError(
      'invalid-config',
      `not set here, but came from a file or a systemd credential before: ${names}`,
      {
        retry: 'final',
        hint:
          'Run it through the service (`systemctl kill --kill-whom=main -s SIGUSR1 slave-sync` wakes the daemon), ' +
          'name a file that this user can read with <NAME>_FILE, or set it.',
      },
    );
  }
  // A value of the process is there for this run; only one in the environment file is there for those to come as well.
  const stays = secrets.filter(
    ({ isKnown, source }) => source === 'credential' || (isKnown && source !== 'file'),
  );
  const now = stays.map(({ name }) => name).join(' ');
  if (now !== before) store.setSetting(CREDENTIALS, now);
}

function sourceOf(name: VariableName, { settings }: CredentialsConfig): Source {
  return settings.get(name)?.source ?? 'default';
}

/** Whoever switches something off may take its password away, too. */
function isNeeded(name: VariableName, config: CredentialsConfig): boolean {
  switch (name) {
    case 'GEOSERVER_PASSWORD':
      return !config.skip.gs;
    case 'AUTH_PGSQL_PASSWORD':
      return !config.skip.auth;
    case 'MASTER_PGSQL_PASSWORD':
      return config.master !== undefined;
    case 'FASTLY_API_TOKEN':
      return sourceOf('FASTLY_PURGE_URL', config) !== 'default';
    default:
      return true;
  }
}
