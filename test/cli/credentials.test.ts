import { expect } from 'chai';
import { checkCredentials } from '../../src/cli/credentials.js';
import { loadConfig, type Config } from '../../src/config.js';
import type { Source } from '../../src/config/reader.js';
import { AgentError } from '../../src/lib/errors.js';
import { StateStore } from '../../src/state/store.js';
import { machine } from '../config/support/machine.js';
import { tempDir } from '../support/temp.js';

const MASTER = {
  MASTER_PGSQL_HOST: 'master',
  MASTER_PGSQL_DATABASE: 'borg',
  MASTER_PGSQL_USERNAME: 'slave',
};

describe('cli/credentials', () => {
  let folder: string;
  let store: StateStore;
  beforeEach(async () => {
    folder = await tempDir('record');
    store = new StateStore(folder);
  });
  afterEach(() => store.close());

  /** A run whose variables are the first, with these secrets from somewhere. */
  async function check(
    env: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, Source>> = {},
  ): Promise<void> {
    const values = Object.fromEntries(Object.keys(secrets).map((name) => [name, 'a secret']));
    checkCredentials(await load({ ...env, ...values }, secrets), store);
  }
  async function refusalOf(
    env: Readonly<Record<string, string>>,
    secrets: Readonly<Record<string, Source>> = {},
  ): Promise<AgentError> {
    const error: unknown = await check(env, secrets).catch((thrown: unknown) => thrown);
    if (error instanceof AgentError) return error;
    throw new Error('was not refused', { cause: error });
  }

  it('keeps the names, in the record, and none of the values', async () => {
    await check({}, { GEOSERVER_PGSQL_PASSWORD: 'credential', GEOSERVER_PASSWORD: 'credential' });
    store.close();
    store = new StateStore(folder);
    expect(store.setting('credentials')).to.equal('GEOSERVER_PASSWORD GEOSERVER_PGSQL_PASSWORD');
  });

  it('writes only what is new: nothing where no secret comes from a file', async () => {
    const written: string[] = [];
    const counting = {
      setting: (key: string) => store.setting(key),
      setSetting: (key: string, value: string) => {
        written.push(value);
        store.setSetting(key, value);
      },
    };
    const secret = (source: Source) =>
      load({ GEOSERVER_PASSWORD: 'a secret' }, { GEOSERVER_PASSWORD: source });
    for (const source of ['environment', 'credential', 'credential', 'environment', 'file', 'file'] as const)
      checkCredentials(await secret(source), counting);
    expect(written).to.deep.equal(['GEOSERVER_PASSWORD', '']);
  });

  it('lets a run take the defaults where no credential was ever used', async () => {
    await check({});
    await check(MASTER, { GEOSERVER_PASSWORD: 'environment', MASTER_PGSQL_PASSWORD: 'file' });
    await check(MASTER);
  });

  it('refuses a run without them, names each, and says what to do', async () => {
    await check(MASTER, { GEOSERVER_PASSWORD: 'credential', MASTER_PGSQL_PASSWORD: 'credential' });
    const { reason, message, hint } = await refusalOf(MASTER, { FASTLY_API_TOKEN: 'credential' });
    expect({ reason, message }).to.deep.equal({
      reason: 'invalid-config',
      message:
        'not set here, but came from a file or a systemd credential before: GEOSERVER_PASSWORD, MASTER_PGSQL_PASSWORD',
    });
    expect(hint).to.include('systemctl kill').and.to.include('<NAME>_FILE');
    // What was refused has not changed what is known.
    expect(store.setting('credentials')).to.equal('GEOSERVER_PASSWORD MASTER_PGSQL_PASSWORD');
    expect((await refusalOf(MASTER, { GEOSERVER_PASSWORD: 'file' })).message).to.match(
      /: MASTER_PGSQL_PASSWORD$/,
    );
  });

  it('forgets a secret that is in the environment file now; a value of the process holds for its run only', async () => {
    await check({}, { GEOSERVER_PGSQL_PASSWORD: 'credential' });
    await check({}, { GEOSERVER_PGSQL_PASSWORD: 'environment' });
    await refusalOf({});
    await check({}, { GEOSERVER_PGSQL_PASSWORD: 'file' });
    expect(store.setting('credentials')).to.equal('');
    await check({});
  });

  it('wants no secret of what is switched off, and wants it again when that is on again', async () => {
    const used = { ...MASTER, FASTLY_PURGE_URL: 'https://cdn.example/{}/{{}}' };
    await check(used, {
      ...{ GEOSERVER_PASSWORD: 'credential', AUTH_PGSQL_PASSWORD: 'credential' },
      ...{ MASTER_PGSQL_PASSWORD: 'credential', FASTLY_API_TOKEN: 'credential' },
    });
    await check({ SKIP_GS: 'true', SKIP_AUTH: 'true' });
    expect((await refusalOf(used)).message).to.match(
      /: GEOSERVER_PASSWORD, AUTH_PGSQL_PASSWORD, MASTER_PGSQL_PASSWORD, FASTLY_API_TOKEN$/,
    );
  });
});

async function load(
  env: Readonly<Record<string, string>>,
  sources: Readonly<Record<string, Source>>,
): Promise<Config> {
  const loaded = await loadConfig(env, { machine, sources, repositoryRoot: '/srv/state' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return loaded.value;
}
