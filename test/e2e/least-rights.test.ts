import { expect } from 'chai';
import { chmod, cp, lstat, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { productionPackages } from '../../scripts/production-packages.mjs';
import { run } from '../../src/lib/process.js';
import { featureFiles, pointStyle, workspaceFiles } from '../support/master.js';
import type { CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROLE = 'slave_of_least_rights';
const PASSWORD = 'a password of least rights';
/** As a careless login has it: what must be private is private all the same. */
const UMASK = '000';

/**
 * As README.md describes it: a system user that owns nothing but its clone, and a database role that is no superuser.
 * Root becomes such a user; anyone else is one already.
 */
describe('a slave with the least rights', function () {
  this.timeout(240_000);
  let rig: Rig;
  let home: string;
  let program: string;
  let as: readonly string[];

  before(async () => {
    rig = await makeRig({ reach: 'ssh' });
    const { slaveDatabase: slave, clone } = rig;
    await slave.query(`CREATE ROLE ${ROLE} LOGIN CREATEROLE PASSWORD '${PASSWORD}'`);
    await slave.query(`ALTER DATABASE ${slave.name} OWNER TO ${ROLE}`);
    home = await tempDir('home');
    program = await installedProgram();
    await rig.configure({
      GEOSERVER_PGSQL_USERNAME: ROLE,
      GEOSERVER_PGSQL_PASSWORD: PASSWORD,
      BORG_SSH: await ownSshCommand(home),
    });
    as = await ownedBy(home, clone);
    expect((await rig.cli('master', 'init')).code).to.equal(0);
    const hgrc = await readFile(join(clone, '.hg/hgrc'), 'utf8');
    await writeFile(
      join(clone, '.hg/hgrc'),
      hgrc.replace(/^ssh = .*$/m, `ssh = ${await ownSshCommand(home)}`),
    );
    if (as.length > 0) await run('chown', ['-R', 'nobody', clone, home]); // what root has made since
  });
  after(async () => {
    await rig.slaveDatabase.query(`REASSIGN OWNED BY ${ROLE} TO CURRENT_USER`);
    await rig.slaveDatabase.query(`DROP OWNED BY ${ROLE}`);
    await rig.close();
  });

  function own(...command: readonly string[]): Promise<CommandOutcome> {
    const words = [
      'sh',
      '-c',
      `umask ${UMASK}; exec "$@"`,
      'sh',
      'env',
      `HOME=${home}`,
      `TMPDIR=${home}`,
      ...command,
    ];
    const [first = '', ...rest] = [...as, ...words];
    return rig.exec(first, ...rest);
  }
  function cli(...args: readonly string[]): Promise<CommandOutcome> {
    return own(process.execPath, program, ...args);
  }

  it('is no administrator of anything', async () => {
    expect((await own('id', '-u')).stdout.trim()).not.to.equal('0');
    const [role] = await rig.slaveDatabase.query(
      'SELECT rolsuper, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1',
      [ROLE],
    );
    expect(Object.values(role ?? { none: true })).to.deep.equal([false, false, false, false]);
  });

  it('finds nothing missing', async () => {
    expect((await cli('init')).code).to.equal(0);
    await rig.commit({
      ...workspaceFiles('town'),
      ...workspaceFiles('closed', { auth_level: 2 }),
      ...(await featureFiles(rig, {
        workspace: 'town',
        name: 'trees',
        styles: { builtin: pointStyle('Trees') },
      })),
      'slave_roles.sql': 'CREATE ROLE made_by_least_rights;\nDROP ROLE made_by_least_rights;\n',
    });
    const { stdout, stderr } = await cli('doctor');
    expect(
      stdout.split('\n').filter((line) => line.startsWith('failed')),
      stderr,
    ).to.deep.equal([
      // Nothing was ever pulled.
      stdout.split('\n')[0],
    ]);
  });

  it('pulls, restores, publishes and reports', async () => {
    const pulled = await own('hg', 'pull');
    expect(pulled.code, pulled.stdout + pulled.stderr).to.equal(0);
    expect(await rig.rows('town.trees')).to.have.length(3);
    expect(await rig.masterDatabase.query('SELECT * FROM monitor_publishsyncstatus')).to.have.length(1);
    const { code, stdout } = await cli('doctor');
    expect(code, stdout).to.equal(0);
  });

  it('publishes again and removes', async () => {
    await rig.commit(await featureFiles(rig, { workspace: 'town', name: 'trees', rows: 'SELECT 1 AS id' }));
    const again = await own('hg', 'pull');
    expect(again.code, again.stdout + again.stderr).to.equal(0);
    expect(await rig.rows('town.trees')).to.have.length(1);
    await rig.commit({ 'dpaw/layers/town.trees.json': null });
    const removed = await own('hg', 'pull');
    expect(removed.code, removed.stdout + removed.stderr).to.equal(0);
    expect(await rig.slaveDatabase.query(`SELECT to_regclass('town_data.trees') AS is`)).to.deep.equal([
      { is: null },
    ]);
  });

  it('keeps record, lock and fetched files to itself, whatever its umask', async () => {
    const { clone } = rig;
    const modes = new Map<string, string>();
    for (const folder of ['code/.sync_status', 'code/dumps']) {
      modes.set(folder, await modeOf(join(clone, folder)));
      for (const name of await readdir(join(clone, folder), { recursive: true }))
        modes.set(`${folder}/${name}`, await modeOf(join(clone, folder, name)));
    }
    expect([...modes.keys()]).to.include.members([
      'code/.sync_status/record.db',
      'code/.sync_status/lock.db',
    ]);
    expect([...modes.keys()].some((name) => name.startsWith('code/dumps/meta/'))).to.equal(true);
    // A private folder is enough for what is in it; meta files may hold passwords, so that theirs are private, too.
    const open = [...modes].filter(([name, mode]) => {
      const mustBePrivate =
        name === 'code/.sync_status' || name === 'code/dumps' || /\/(record|lock)\.|\/meta\/./.test(name);
      return mustBePrivate && !mode.endsWith('00');
    });
    expect(open).to.deep.equal([]);
  });

  it('leaves no socket, no temporary file and nothing in its home', async () => {
    const left = (await readdir(home)).filter(
      (name) => !['client_key', 'known_hosts', '.cache'].includes(name),
    );
    expect(left).to.deep.equal([]);
  });

  it('has its connections in a folder that only it can enter', async () => {
    const watcher = join(home, 'rsync');
    const log = join(home, 'modes');
    await writeFile(
      watcher,
      `#!/bin/sh\nfor dir in "$TMPDIR"/slave-sync-*-*; do stat -c %a "$dir"; done >>${log}\nexec /usr/bin/env PATH="$OLDPATH" rsync "$@"\n`,
    );
    await chmod(watcher, 0o755);
    await writeFile(log, '');
    await chmod(log, 0o666);
    await rig.commit(await featureFiles(rig, { workspace: 'town', name: 'lakes' }));
    const path = process.env['PATH'] ?? '';
    const pulled = await own('env', `OLDPATH=${path}`, `PATH=${home}:${path}`, 'hg', 'pull');
    expect(pulled.code, pulled.stdout + pulled.stderr).to.equal(0);
    const modes = new Set((await readFile(log, 'utf8')).trim().split('\n'));
    expect([...modes]).to.deep.equal(['700']);
  });
});

async function modeOf(path: string): Promise<string> {
  return ((await lstat(path)).mode & 0o777).toString(8).padStart(3, '0');
}

/** slave-sync with its production dependencies where another user may read it, which a clone in /root is not. */
async function installedProgram(): Promise<string> {
  const folder = await tempDir('program');
  await chmod(folder, 0o755);
  await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  for (const one of productionPackages()) {
    const source = join(ROOT, one.folder);
    if (await stat(source).catch(() => undefined))
      await cp(source, join(folder, one.folder), { recursive: true });
  }
  await run('chmod', ['-R', 'a+rX', folder]);
  return join(folder, 'dist/cli.js');
}

/** The rig's ssh command with a key and known hosts of this user's own: ssh refuses those of somebody else. */
async function ownSshCommand(home: string): Promise<string> {
  const { dir, sshCommand } = await sshd();
  for (const name of ['client_key', 'known_hosts']) await cp(join(dir, name), join(home, name));
  await chmod(join(home, 'client_key'), 0o600);
  return sshCommand.replaceAll(dir, home);
}

/** The words before a command that make it run as the owner of these folders: nobody, where the tests run as root. */
async function ownedBy(...folders: readonly string[]): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  for (const folder of folders) await chmod(dirname(folder), 0o711);
  await run('chown', ['-R', 'nobody', ...folders]);
  const { stdout } = await run('id', ['-g', 'nobody']);
  const group = stdout.toString('utf8').trim();
  return ['setpriv', '--reuid=nobody', `--regid=${group}`, '--clear-groups', '--no-new-privs', '--'];
}
