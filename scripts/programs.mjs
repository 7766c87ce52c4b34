// Where the programs are that the tests and the demo use. Node built-ins only: this runs before `npm ci`.
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
const OLDEST_POSTGRES = 15;

/**
 * The full path of a program, or undefined. Also looks where daemons are (sshd), which is not on every user's PATH.
 */
export function which(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * The folder of a PostgreSQL server (initdb, postgres) of version 15 or newer that has PostGIS, or undefined.
 * Debian keeps one folder per version, off the PATH; of these the newest wins. Elsewhere initdb is on the PATH.
 */
export function postgresBin() {
  const debian = versionsIn(DEBIAN_POSTGRES)
    .filter((version) => existsSync(`/usr/share/postgresql/${version}/extension/postgis.control`))
    .map((version) => join(DEBIAN_POSTGRES, String(version), 'bin'))
    .find((folder) => isExecutable(join(folder, 'initdb')));
  if (debian !== undefined || existsSync('/etc/debian_version')) return debian;
  const initdb = which('initdb');
  return initdb === undefined ? undefined : join(initdb, '..');
}

function versionsIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map(Number)
    .filter((version) => version >= OLDEST_POSTGRES)
    .sort((a, b) => b - a);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
