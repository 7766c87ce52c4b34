import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

export type Cell = string | number;
export type Line = Readonly<Record<string, Cell>>;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/** How often each contender runs: `--rounds`, else what the benchmark needs to be worth a look. */
export function rounds(otherwise: number): number {
  const asked = Number(options.rounds ?? otherwise);
  if (!(Number.isInteger(asked) && asked > 0)) throw new Error('--rounds is a number of rounds, 1 or more');
  return asked;
}

/** Whether this part of a benchmark was asked for: all are, without `--only <part of the title>`. */
export function isAsked(title: string): boolean {
  return title.includes(options.only ?? '');
}

/** Prints a table of lines that have the same keys; as one line of JSON with `--json`. */
export function report(title: string, lines: readonly Line[]): void {
  if (options.json) {
    console.log(JSON.stringify({ title, lines, cores: cpus().length, load: loadavg()[0] }));
    return;
  }
  const keys = Object.keys(lines[0] ?? {});
  const rows = [keys, ...lines.map((line) => keys.map((key) => String(line[key] ?? '')))];
  const widths = keys.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const text = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  console.log(
    `\n${title} (${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)})\n  ${text.join('\n  ')}`,
  );
}

export const ms = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
export const times = (value: number): string => value.toFixed(2);
export const MiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
