import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { which } from '../../scripts/programs.mjs';
import { tempDir } from '../support/temp.js';

export const WRAPPED = ['rsync', 'ssh', 'hg', 'git', 'pg_restore'] as const;
export type Wrapped = (typeof WRAPPED)[number];

/** What one call of a wrapped program does instead of its work, or in the middle of it. */
export type Order =
  /** Ends at once with an exit code and a message. */
  | { readonly kind: 'fail'; readonly code: number; readonly message: string }
  /** Is killed after this time. */
  | { readonly kind: 'die'; readonly afterMs: number }
  /** Does nothing, and does not end. */
  | { readonly kind: 'hang' }
  /** Cannot write files longer than this. */
  | { readonly kind: 'short'; readonly blocks: number };

/** Programs before the real ones on the PATH, that obey an order once and are the real ones otherwise. */
export class Wrappers {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param postgresBin where the real pg_restore is, which is not looked for on the PATH */
  static async make(postgresBin: string): Promise<Wrappers> {
    const wrappers = new Wrappers(await tempDir('wrappers'));
    await mkdir(join(wrappers.#folder, 'orders'));
    for (const name of WRAPPED) {
      const real = name === 'pg_restore' ? join(postgresBin, name) : which(name);
      if (real === undefined) throw new Error(`${name} is not installed: run \`npm test\``);
      await writeFile(join(wrappers.#folder, name), script(name, real, join(wrappers.#folder, 'orders')));
      await chmod(join(wrappers.#folder, name), 0o755);
    }
    return wrappers;
  }

  /** For PG_BIN_DIR. */
  get folder(): string {
    return this.#folder;
  }

  get path(): string {
    return [this.#folder, process.env['PATH'] ?? ''].join(delimiter);
  }

  /** The next call after `skip` others obeys. */
  async order(program: Wrapped, order: Order, skip = 0): Promise<void> {
    for (let call = 0; call < skip; call++) await this.#write(program, call, 'pass');
    await this.#write(program, skip, words(order));
  }

  async clear(): Promise<void> {
    const folder = join(this.#folder, 'orders');
    for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
  }

  async #write(program: Wrapped, call: number, text: string): Promise<void> {
    await writeFile(join(this.#folder, 'orders', `${program}.${call}`), text);
  }
}

function words(order: Order): string {
  switch (order.kind) {
    case 'fail':
      return `fail ${order.code} ${order.message}`;
    case 'die':
      return `die ${order.afterMs / 1_000}`;
    case 'hang':
      return 'hang';
    case 'short':
      return `short ${order.blocks}`;
  }
}

/** A rename says which of several calls at the same time takes an order. */
function script(name: string, real: string, orders: string): string {
  return `#!/bin/sh
[ "$1" = --version ] && exec ${real} "$@"
order=pass
for file in ${orders}/${name}.[0-9]; do
  mine="${orders}/taken.$$"
  if mv "$file" "$mine" 2>/dev/null; then order=$(cat "$mine"); rm -f "$mine"; break; fi
done
set -f
case $order in
  fail*) code=\${order#fail }; echo "\${code#* }" >&2; exit "\${code%% *}" ;;
  die*) exec timeout --foreground -s KILL "\${order#die }" ${real} "$@" ;;
  hang) exec sleep 1000 ;;
  short*) ulimit -f "\${order#short }" ;;
esac
exec ${real} "$@"
`;
}
