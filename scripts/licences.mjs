// `npm run licences`: the production dependencies with their licences, as LICENSES.md lists them; fails for one that is
// unknown or that asks more of whoever passes slave-sync on than to keep its notice. --write renews LICENSES.md.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, ROOT, Stop } from './common.mjs';
import { productionPackages } from './production-packages.mjs';

/** Permissive licences: compatible with Apache-2.0, under which slave-sync is. */
const PERMISSIVE = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
];

/** The text of LICENSES.md. */
export function licences(packages = productionPackages()) {
  const refused = packages.filter(({ licence }) => !isPermissive(licence));
  if (refused.length > 0)
    throw new Stop(
      `Not known to be permissive: ${refused.map(({ name, licence }) => `${name} (${licence ?? 'none'})`).join(', ')}`,
    );
  const rows = packages.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return `# Licences of what slave-sync is installed with

slave-sync itself is under the Apache License 2.0, see [LICENSE](LICENSE). These are its production dependencies and theirs;
each package's folder holds the licence's text. Written by \`npm run licences -- --write\`; a test keeps it true.

| package | version | licence |
| --- | --- | --- |
${rows.join('\n')}
`;
}

/** An SPDX expression: of alternatives one is enough. */
function isPermissive(licence = '') {
  return licence
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((part) => PERMISSIVE.includes(part)));
}

await main(import.meta.url, () => {
  const text = licences();
  if (process.argv.includes('--write')) writeFileSync(join(ROOT, 'LICENSES.md'), text);
  else console.log(text);
});
