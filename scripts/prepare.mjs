// Installs the npm packages and builds dist/, when something has changed since the last time. With --build, which tests
// use, nothing is installed: they run inside what is.
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { main, ROOT, runs, say, Stop } from './common.mjs';

/** Throws Stop when the clone can't be written or a step fails. */
export function prepare() {
  requireNode();
  install();
  buildWhenDue();
}

function install() {
  const lock = join(ROOT, 'package-lock.json');
  // npm writes this file last: an interrupted installation is done again.
  if (isOlder(join(ROOT, 'node_modules/.package-lock.json'), [lock])) {
    requireWritable('node_modules');
    say('Installing the npm packages');
    if (!runs('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']))
      throw new Stop('npm ci failed.');
  }
}

function buildWhenDue() {
  const sources = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) =>
    join(ROOT, name),
  );
  if (isOlder(join(ROOT, 'dist/cli.js'), [...sources, ...filesUnder(join(ROOT, 'src'))])) {
    requireWritable('dist');
    say('Building dist/');
    build();
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Stop(`Node 20.19 or newer is needed; this is ${process.versions.node} (${process.execPath}).`);
}

function requireWritable(folder) {
  for (const path of [ROOT, join(ROOT, folder)].filter(existsSync)) {
    try {
      accessSync(path, constants.W_OK);
    } catch {
      const { username } = userInfo();
      throw new Stop(
        `${username} can't write to ${path}: run this as its owner, or in a clone that belongs to ${username}.`,
      );
    }
  }
}

function isOlder(target, sources) {
  if (!existsSync(target)) return true;
  const made = statSync(target).mtimeMs;
  return sources.some((source) => statSync(source).mtimeMs > made);
}

/** The files and the folders: a folder changes when a file is removed from it. */
function filesUnder(folder) {
  return [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, name))];
}

await main(import.meta.url, process.argv.includes('--build') ? buildWhenDue : prepare);
