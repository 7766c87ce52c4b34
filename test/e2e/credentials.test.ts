import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StateStore } from '../../src/state/store.js';
import { workspaceFiles } from '../support/master.js';
import type { CommandOutcome } from '../support/repository.js';
import { CLI, makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';

const NAME = 'GEOSERVER_PGSQL_PASSWORD';
const SAYS = `not set here, but came from a file or a systemd credential before: ${NAME}`;

describe('a password that systemd gives to the service only', function () {
  this.timeout(120_000);
  let rig: Rig;
  let credentials: string;

  before(async () => {
    rig = await makeRig({ env: { [NAME]: '' } });
    credentials = await tempDir('credentials');
    await writeFile(join(credentials, NAME), rig.slaveDatabase.password);
    expect(await rig.cli('master', 'init')).to.include({ code: 0 });
    expect(await rig.cli('init')).to.include({ code: 0 });
    await rig.commit(workspaceFiles('town'));
  });
  after(() => rig.close());

  const cliWith = (variable: string, ...args: readonly string[]): Promise<CommandOutcome> =>
    rig.exec('env', variable, process.execPath, CLI, ...args);

  /** What a run changes: GeoServer, the slave's database, the record, the master's monitor tables. */
  async function everything(): Promise<unknown> {
    const store = new StateStore(join(rig.clone, 'code/.sync_status'), 'read');
    try {
      return {
        requests: rig.geoserver.standIn?.requests.length,
        schemas: await rig.slaveDatabase.query('SELECT nspname FROM pg_namespace ORDER BY 1'),
        files: [...store.files().values()],
        run: store.lastRun(),
        heartbeat: store.database.read('SELECT * FROM setting ORDER BY key'),
        slaves: await rig.masterDatabase.query('SELECT * FROM monitor_slaveserver'),
      };
    } finally {
      store.close();
    }
  }

  it('is used by the service', async () => {
    const { code, stderr } = await cliWith(`CREDENTIALS_DIRECTORY=${credentials}`, 'poll', '--once');
    expect(code, stderr).to.equal(0);
    expect(stderr).not.to.include(SAYS);
  });

  it('keeps every run without it from doing anything, and a pull by hand from going through', async () => {
    await rig.commit(workspaceFiles('city'));
    const before = await everything();
    const { code, stderr } = await rig.cli('sync');
    expect({ code, stderr }).to.deep.include({ code: 2 });
    expect(stderr).to.include(SAYS).and.to.include('systemctl kill');
    for (const args of [['plan'], ['poll', '--once'], ['poll']]) {
      const refused = await rig.exec('timeout', '20', process.execPath, CLI, ...args);
      expect(refused, args.join(' ')).to.include({ code: 2, stdout: '' });
      expect(refused.stderr).to.include(SAYS);
    }
    const pulled = await rig.pull();
    expect(pulled.code).to.equal(255);
    expect(pulled.stdout + pulled.stderr).to.include(SAYS);
    expect(await everything()).to.deep.equal(before);
  });

  it('may also be given by hand', async () => {
    const { code, stdout, stderr } = await cliWith(`${NAME}_FILE=${join(credentials, NAME)}`, 'sync');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('unchanged');
    expect(await cliWith(`${NAME}=${rig.slaveDatabase.password}`, 'poll', '--once')).to.include({ code: 0 });
    expect(await rig.slaveDatabase.query("SELECT 1 FROM pg_namespace WHERE nspname = 'city'")).to.have.length(
      1,
    );
    // For that run only.
    expect(await rig.cli('sync')).to.include({ code: 2 });
  });

  it('may move into the settings', async () => {
    await rig.configure({ [NAME]: rig.slaveDatabase.password });
    expect(await rig.cli('sync')).to.include({ code: 0 });
    expect(await rig.pull()).to.include({ code: 0 });
  });
});
