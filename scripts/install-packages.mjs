// As root: installs Debian packages so that nothing starts, now or at the next boot, and no database cluster is made.
// Usage: node install-packages.mjs <package>...
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

/** Debian's packages ask this program whether they may start their service; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';
/** Read by the server package when it is installed: it makes a cluster, and starts it, unless this says no. */
const CREATE_CLUSTER = '/etc/postgresql-common/createcluster.conf';
const UNITS = '/etc/systemd/system/multi-user.target.wants';

const packages = process.argv.slice(2);
process.exitCode = install() ? 0 : 1;

function install() {
  if (!apt(['update'])) console.error('apt-get update failed: trying with the package lists that are there');
  const enabledBefore = enabledUnits();
  return (
    replaced(POLICY, refuseStarts, () => {
      if (!packages.includes('postgresql')) return aptInstall(packages);
      // The settings file comes with postgresql-common: first that, then the setting, then the server.
      return (
        aptInstall(['postgresql-common']) &&
        replaced(CREATE_CLUSTER, refuseClusters, () => aptInstall(packages))
      );
    }) && disableNew(enabledBefore)
  );
}

function refuseStarts() {
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
  chmodSync(POLICY, 0o755);
}

function refuseClusters() {
  appendFileSync(CREATE_CLUSTER, '\ncreate_main_cluster = false\n');
}

/** Runs `action` with a file changed, and puts it back as it was; also what an interrupted earlier run left. */
function replaced(file, change, action) {
  const saved = `${file}.before-slave-sync`;
  if (!existsSync(saved) && existsSync(file)) copyFileSync(file, saved);
  change();
  try {
    return action();
  } finally {
    if (existsSync(saved)) renameSync(saved, file);
    else rmSync(file);
  }
}

function aptInstall(names) {
  return apt([
    'install',
    '--yes',
    '--no-install-recommends',
    '-o',
    'Dpkg::Options::=--force-confold',
    ...names,
  ]);
}

function apt(args) {
  const { status } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0;
}

function enabledUnits() {
  return existsSync(UNITS) ? readdirSync(UNITS) : [];
}

/** The packages enable their services for the next boot: nobody asked for an SSH server on this machine. */
function disableNew(before) {
  const added = enabledUnits().filter((unit) => !before.includes(unit));
  if (added.length > 0) spawnSync('systemctl', ['disable', '--quiet', ...added], { stdio: 'ignore' });
  return true;
}
