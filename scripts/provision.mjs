// Installs the programs that the tests and the demo need, where it may; otherwise says what to install.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { main, say, Stop } from './common.mjs';
import { postgresBin, which } from './programs.mjs';

const NEEDED = [
  { name: 'git', debian: ['git'], there: () => which('git') },
  { name: 'Mercurial', debian: ['mercurial'], there: () => which('hg') },
  { name: 'rsync', debian: ['rsync'], there: () => which('rsync') },
  {
    name: 'the OpenSSH client',
    debian: ['openssh-client'],
    there: () => which('ssh') && which('ssh-keygen'),
  },
  { name: 'the OpenSSH server', debian: ['openssh-server'], there: () => which('sshd') },
  {
    name: 'PostgreSQL 15 or newer with PostGIS',
    debian: ['postgresql', 'postgresql-postgis'],
    there: postgresBin,
  },
  { name: 'Python 3', debian: ['python3'], there: () => which('python3') },
  { name: 'supervisor', debian: ['supervisor'], there: () => which('supervisord') },
  { name: 'setpriv (util-linux)', debian: ['util-linux'], there: () => which('setpriv') },
];

/** Makes sure that every needed program is there; throws Stop with what to install when it can't. */
export function provision() {
  const before = missing();
  if (before.length === 0) return;
  const packages = before.flatMap(({ debian }) => debian);
  const names = before.map(({ name }) => name).join(', ');
  const installer = installerCommand();
  if (installer === undefined)
    throw new Stop(
      which('apt-get') === undefined
        ? `Please install: ${names}.`
        : `Not installed: ${names}. As root:\n\n    apt-get install --no-install-recommends ${packages.join(' ')}\n`,
    );
  say(`Installing ${packages.join(' ')}`);
  const [file, ...args] = installer;
  const { status } = spawnSync(file, [...args, ...packages], { stdio: ['ignore', 'inherit', 'inherit'] });
  const after = missing();
  if (after.length === 0) return;
  throw new Stop(
    `Still not installed: ${after.map(({ name }) => name).join(', ')}${status === 0 ? '' : ', since apt-get failed'}.` +
      (after.some(({ there }) => there === postgresBin)
        ? '\nWhere the distribution has only an older PostgreSQL, https://apt.postgresql.org has newer ones.'
        : ''),
  );
}

function missing() {
  return NEEDED.filter(({ there }) => there() === undefined);
}

/** apt-get as root, or through sudo where that asks for no password. */
function installerCommand() {
  if (which('apt-get') === undefined) return undefined;
  const script = fileURLToPath(new URL('install-packages.mjs', import.meta.url));
  if (process.getuid() === 0) return [process.execPath, script];
  const sudo = which('sudo');
  const mayDoAll = sudo !== undefined && spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore' }).status === 0;
  return mayDoAll ? [sudo, '-n', process.execPath, script] : undefined;
}

await main(import.meta.url, provision);
