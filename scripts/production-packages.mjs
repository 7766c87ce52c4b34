// The packages that an installation of slave-sync holds, from the lockfile: what runs on a slave, without the tools of development.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './common.mjs';

/** Name, version, folder below the clone, and licence as the package says it. Optional ones are for other machines, too. */
export function productionPackages() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([folder, entry]) => folder !== '' && entry.dev !== true)
    .map(([folder, { version, license, optional = false }]) => ({
      name: folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      folder,
      licence: license,
      optional,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
