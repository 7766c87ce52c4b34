import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from './repository.js';
import { tempDir } from './temp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface LockEntry {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export interface PackageRegistry {
  /** This project's package.json and lockfile, for its own packages and these of its development, all of this registry. */
  files(version: string): Readonly<Record<'package.json' | 'package-lock.json', string>>;
  close(): Promise<void>;
}

/**
 * A package registry on this machine, with the packages that are installed here, so that `npm ci` does all of its work without
 * a network: it fetches, checks the hashes, and unpacks.
 */
export async function startPackageRegistry(development: readonly string[]): Promise<PackageRegistry> {
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(ROOT, name), 'utf8')) as unknown;
  const manifest = (await read('package.json')) as Manifest;
  const { packages } = (await read('package-lock.json')) as { packages: Record<string, LockEntry> };
  const devDependencies = Object.fromEntries(
    development.map((name) => [name, manifest.devDependencies[name] ?? '*']),
  );
  const folders = closure(packages, [...Object.keys(manifest.dependencies), ...development]);
  const tarballs = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const tarball = tarballs.get(request.url ?? '');
    response.statusCode = tarball === undefined ? 404 : 200;
    response.end(tarball);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const locked: Record<string, unknown> = {};
  for (const folder of folders) {
    locked[folder] = packages[folder];
    // Some are for other kinds of machines: the lockfile names them, and nobody asks for them.
    if (!existsSync(join(ROOT, folder))) continue;
    const path = `/${folder.replaceAll('/', '_').replaceAll('@', '')}.tgz`;
    const tarball = await pack(join(ROOT, folder));
    tarballs.set(path, tarball);
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    locked[folder] = { ...packages[folder], resolved: url + path, integrity };
  }
  return {
    files: (version) => {
      const head = { name: 'slave-sync', version };
      const wanted = { dependencies: manifest.dependencies, devDependencies };
      const lock = { ...head, lockfileVersion: 3, requires: true };
      return {
        'package.json': JSON.stringify({ ...manifest, ...head, ...wanted }, null, 2),
        'package-lock.json': JSON.stringify({ ...lock, packages: { '': { ...head, ...wanted }, ...locked } }),
      };
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Folders below the clone of these packages and of all that they need. */
function closure(packages: Readonly<Record<string, LockEntry>>, names: readonly string[]): string[] {
  const found = new Set<string>();
  const add = (name: string, from: string): void => {
    let place = from;
    while (packages[join(place, 'node_modules', name)] === undefined && place !== '')
      place = dirname(place) === '.' ? '' : dirname(place);
    const folder = join(place, 'node_modules', name);
    const entry = packages[folder];
    if (entry === undefined || found.has(folder)) return;
    found.add(folder);
    for (const needed of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }))
      add(needed, folder);
  };
  for (const name of names) add(name, '');
  return [...found].sort();
}

/** As a registry has it: everything below `package/`, without the packages that lie in it. */
async function pack(folder: string): Promise<Buffer> {
  const place = await tempDir('pack');
  await mkdir(join(place, 'content'));
  await must('cp', ['-r', folder, join(place, 'content')], place);
  await rename(join(place, 'content', folder.split('/').at(-1) ?? ''), join(place, 'package'));
  await must(
    ...(['tar', ['--exclude=node_modules', '-I', 'gzip -1', '-cf', 'x.tgz', 'package'], place] as const),
  );
  return readFile(join(place, 'x.tgz'));
}
