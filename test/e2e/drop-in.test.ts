import { expect } from 'chai';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { parseEnvFile } from '../../src/config/honcho.js';
import { isRunning, until } from '../support/daemon.js';
import { installedProgram, type InstalledProgram } from '../support/installed.js';
import { featureFiles, workspaceFiles, type TaskFiles } from '../support/master.js';
import type { CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { startSupervisor, type Supervisor } from '../support/supervisor.js';
import { tempDir } from '../support/temp.js';

/** `.hg/hgrc` as operators have it, with a hook of their own beside. */
const hgrc = (upstream: string): string => `[extensions]
strip =

[paths]
default = ${upstream}

[hooks]
precommit = .hg/denied.sh
# Ours, since 2015.
pretxnchangegroup = code/venv/bin/honcho -e code/.env run code/venv/bin/python code/slave_sync.py
changegroup.notify = true
`;

describe("drop-in: the operators' layout, with every documented variable set", function () {
  this.timeout(180_000);
  let rig: Rig;
  let program: InstalledProgram;
  let env: string;
  /** The peer's folder of fetched files. */
  let peer: string;
  let supervisor: Supervisor;

  const cli = (...args: string[]): Promise<CommandOutcome> =>
    rig.exec(process.execPath, program.cli, ...args);

  /** A layer whose dump the peer has, by the name it keeps it under. */
  async function layer(name: string, jobId: number): Promise<TaskFiles> {
    const files = await featureFiles(rig, { workspace: 'town', name, task: { job_id: jobId } });
    await copyFile(join(rig.dataRoot, `full_data/dpaw/town/${name}.db`), join(peer, `town.${name}.db`));
    return files;
  }

  const deployed = async (): Promise<unknown> => {
    const rows = await rig.masterDatabase.query(
      `SELECT p.publish, p.deploied_job_id FROM monitor.monitor_publishsyncstatus p
         JOIN monitor.monitor_slaveserver s ON s.id = p.slave_server_id
        WHERE s.name = 'portable_slave_rocky' AND p.sync_time IS NULL ORDER BY 1`,
    );
    return rows.map((row) => [row['publish'], row['deploied_job_id']]);
  };

  before(async () => {
    rig = await makeRig();
    [program, peer] = [await installedProgram(), await tempDir('peer')];
    const ssh = await sshd();
    const [slave, master] = [rig.slaveDatabase, rig.masterDatabase];
    const values: Readonly<Record<string, string>> = {
      SYNC_SERVER: `${userInfo().username}@${ssh.host}`,
      SYNC_PATH: peer,
      BORG_SSH: ssh.sshCommand,
      GEOSERVER_URL: `${rig.geoserver.url}/`,
      GEOSERVER_DATA_DIR: '/srv/gs1/data',
      GEOSERVER_USERNAME: rig.geoserver.username,
      GEOSERVER_PASSWORD: rig.geoserver.password,
      GEOSERVER_PGSQL_HOST: slave.host,
      GEOSERVER_PGSQL_PORT: String(slave.port),
      GEOSERVER_PGSQL_DATABASE: slave.name,
      GEOSERVER_PGSQL_USERNAME: slave.user,
      GEOSERVER_PGSQL_PASSWORD: slave.password,
      MASTER_PGSQL_HOST: master.host,
      MASTER_PGSQL_PORT: String(master.port),
      MASTER_PGSQL_DATABASE: master.name,
      MASTER_PGSQL_USERNAME: master.user,
      MASTER_PGSQL_PASSWORD: master.password,
      SKIP_DB: 'no',
      SKIP_GS: 'false',
    };
    const documented = await readFile(new URL('../config/fixtures/documented.env', import.meta.url), 'utf8');
    env = documented.replace(/^(\w+)=.*$/gm, (line, name: string) => {
      const value = values[name];
      return value === undefined ? line : `${name}="${value}"`;
    });
    const code = join(rig.clone, 'code');
    await mkdir(join(code, '.sync_status/dpaw'), { recursive: true });
    await writeFile(join(code, '.sync_status/dpaw/old.json'), 'of the old slave');
    await writeFile(join(code, '.env'), env, { mode: 0o600 });
    await writeFile(join(rig.clone, '.hg/hgrc'), hgrc(rig.upstream));
    await writeFile(join(rig.clone, '.hg/denied.sh'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await master.query('CREATE SCHEMA monitor');
  });
  after(async () => {
    await supervisor.stop();
    await rig.close();
  });

  it('init replaces the hook of the old slave and keeps everything else', async () => {
    expect(parseEnvFile(env).assignments).to.have.length(29);
    expect(await cli('master', 'init')).to.include({ code: 0 });
    const { code, stderr } = await cli('init');
    expect(code, stderr).to.equal(0);
    const after = await readFile(join(rig.clone, '.hg/hgrc'), 'utf8');
    expect(after).to.not.include('slave_sync.py');
    const ours = /^pretxnchangegroup\.slave-sync = .* hook hg; exit \$\?'$/m;
    expect(after).to.match(ours).and.to.include(program.cli);
    const kept = hgrc(rig.upstream)
      .split('\n')
      .filter((line) => line !== '' && !/slave_sync\.py|denied\.sh/.test(line));
    expect(kept).to.have.length(7);
    // The script that refused local commits was written by hand; the hook that is installed with the program does the same.
    expect(after).to.match(/^precommit = .* hook deny$/m);
    for (const line of kept) expect(after.split('\n')).to.include(line);
  });

  it('a pull by hand applies what comes, and the master shows it', async () => {
    await rig.commit({ ...workspaceFiles('town'), ...(await layer('trees', 11)) });
    const pulled = await rig.pull();
    expect(pulled.code, pulled.stderr).to.equal(0);
    expect(await rig.rows('town.trees')).to.have.length(3);
    expect(await deployed()).to.deep.equal([['trees', 11]]);
    expect(await rig.exec('hg', 'commit', '-m', 'mine')).to.not.include({ code: 0 });
  });

  it('the daemon under supervisord applies what comes, woken by a signal too', async () => {
    await rig.commit(await layer('roads', 12));
    supervisor = await startSupervisor({ directory: rig.clone, path: program.bin });
    const shows = (expected: unknown) => async (): Promise<boolean> =>
      JSON.stringify(await deployed()) === JSON.stringify(expected);
    const first = [
      ['roads', 12],
      ['trees', 11],
    ];
    expect(await until(shows(first), 30_000), await supervisor.output()).to.be.true;

    await rig.commit({ ...(await layer('rivers', 13)), 'dpaw/layers/town.trees.json': null });
    await supervisor.ctl('signal', 'USR1', 'slave_poll');
    const second = [
      ['rivers', 13],
      ['roads', 12],
    ];
    expect(await until(shows(second), 30_000), await supervisor.output()).to.be.true;
    expect(await rig.rows('town.rivers')).to.have.length(3);
    const [slave] = await rig.masterDatabase.query('SELECT * FROM monitor.monitor_slaveserver');
    expect(slave).to.deep.include({ name: 'portable_slave_rocky', listen_channels: 'kmi,dpaw' });
    expect(slave!['last_poll_time']).to.be.a('date');
    expect(slave!['code_version']).to.match(/ \(uat\)$/);
  });

  it('supervisorctl stop ends it cleanly, and everything in code/ is still there', async () => {
    const pid = Number(await supervisor.ctl('pid', 'slave_poll'));
    expect(isRunning(pid)).to.be.true;
    expect(await supervisor.ctl('stop', 'slave_poll')).to.equal('slave_poll: stopped\n');
    expect(isRunning(pid)).to.be.false;
    expect(await supervisor.log())
      .to.include('stopped: slave_poll (exit status 0)')
      .and.to.not.include('SIGKILL');
    const output = await supervisor.output();
    expect(output).to.include('daemon ended');
    // CODE_BRANCH is set, and this program is no checkout.
    expect(output.split('not run from a git checkout')).to.have.length(2);
    const code = join(rig.clone, 'code');
    expect(await readFile(join(code, '.env'), 'utf8')).to.equal(env);
    expect(await readFile(join(code, '.sync_status/dpaw/old.json'), 'utf8')).to.equal('of the old slave');
    await readFile(join(code, 'dumps/town.rivers.db'));
    const health = await cli('health');
    expect(health.code, health.stdout).to.equal(0);
  });
});
