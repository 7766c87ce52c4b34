// What the scripts share. Node built-ins only: this runs before `npm ci`.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { which } from './programs.mjs';

/** The clone's folder, whatever the working directory is. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure that the message explains: no stack trace. */
export class Stop extends Error {}

/**
 * Runs a program in the clone, its output on ours and no input; true when it exits with 0. It is interrupted after
 * `timeoutMs`, and when this process is killed; mocha hands SIGINT on to its own child, but no other signal.
 * Node's own folder comes first on the PATH, since Node may have been called by its full path.
 */
export function runs(file, args, { env = {}, timeoutMs } = {}) {
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const setpriv = which('setpriv');
  const command = setpriv === undefined ? [file] : [setpriv, '--pdeathsig=INT', '--', file];
  const result = spawnSync(command[0], [...command.slice(1), ...args], {
    cwd: ROOT,
    env: { ...process.env, PATH, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: timeoutMs,
    killSignal: 'SIGINT',
  });
  if (result.error) console.error(`${file}: ${result.error.message}`);
  return result.status === 0;
}

/** Runs a program that `npm ci` installed. */
export function runsTool(tool, args, options) {
  return runs(process.execPath, [join(ROOT, 'node_modules', tool), ...args], options);
}

export function say(text) {
  console.log(`\n▸ ${text}`);
}

/** Runs `action` when this script is the one that was called; what it understands ends with one line. */
export async function main(url, action) {
  const called = process.argv[1];
  if (called === undefined || realpathSync(called) !== fileURLToPath(url)) return;
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
