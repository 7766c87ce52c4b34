import { describeConfig } from '../config.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** The effective settings with the source of each; secrets are hidden. */
export function configCommand({ config, redactor }: Session, options: { readonly json?: boolean }): number {
  const rows = describeConfig(config);
  const width = Math.max(...rows.map((row) => row.variable.length));
  const text = options.json
    ? JSON.stringify({ settings: rows, warnings: config.warnings }, null, 2)
    : rows.map((row) => `${row.variable.padEnd(width)}  ${row.source.padEnd(11)}  ${row.value}`).join('\n');
  process.stdout.write(`${redactor.redact(text)}\n`);
  return EXIT.ok;
}
