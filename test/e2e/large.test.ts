// Memory does not grow with the files that go through it. SLAVE_SYNC_LARGE_MB: how large the dump is, 300 unless said otherwise.
import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureFiles, workspaceFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { succeeds } from './master.js';
import { tempDir } from '../support/temp.js';

const MB = Number(process.env['SLAVE_SYNC_LARGE_MB'] ?? 300);
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const ROW_BYTES = 9_600;

/** Rows of bytes that do not compress: pieces of one random megabyte, further apart than zlib looks back. */
const rows = (megabytes: number): string => `
  WITH noise AS (SELECT string_agg(decode(md5(i::text), 'hex'), '' ORDER BY i) AS b FROM generate_series(1, 65536) i)
  SELECT i AS id, 'n' AS name, substr(b, 1 + (i * ${ROW_BYTES}) % 1000000, ${ROW_BYTES}) AS payload,
         ST_SetSRID(ST_Point(114 + i % 15, -32), 4326)::geometry(Point, 4326) AS wkb_geometry
    FROM noise, generate_series(1, ${Math.ceil((megabytes * 1_000_000) / ROW_BYTES)}) i`;

describe(`a dump of ${MB} MB${MB === 300 ? '; npm run test:large takes one of 2 GB' : ''}`, function () {
  this.timeout(30 * 60_000);
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
  });
  after(() => rig.close());

  /** Runs `slave-sync` and returns the most memory it had, in bytes. */
  async function peakOf(...args: readonly string[]): Promise<number> {
    const folder = await tempDir('peak');
    const [script, result] = [join(folder, 'peak.cjs'), join(folder, 'peak')];
    await writeFile(
      script,
      // Not maxRSS, which begins with that of the process that started it.
      `const fs = require('node:fs');
       process.once('exit', () => {
         const [, peak] = /^VmHWM:\\s+(\\d+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'));
         fs.writeFileSync(${JSON.stringify(result)}, peak);
       });`,
    );
    succeeds(await rig.exec('env', `NODE_OPTIONS=--require=${script}`, process.execPath, CLI, ...args));
    return Number(await readFile(result, 'utf8')) * 1024;
  }

  it('takes no more memory than a small one', async () => {
    await rig.commit({
      ...workspaceFiles('ws1'),
      ...(await featureFiles(rig, { workspace: 'ws1', name: 'small', rows: rows(0.1) })),
    });
    succeeds(await rig.exec('hg', 'pull', '--config', 'hooks.pretxnchangegroup.slave-sync='));
    const small = await peakOf('sync');
    await rig.commit(await featureFiles(rig, { workspace: 'ws1', name: 'large', rows: rows(MB) }));
    succeeds(await rig.exec('hg', 'pull', '--config', 'hooks.pretxnchangegroup.slave-sync='));
    const large = await peakOf('sync');
    const [counted] = await rig.slaveDatabase.query<{ bytes: string }>(
      'SELECT sum(length(payload)) AS bytes FROM ws1.large',
    );
    expect(Number(counted?.bytes)).to.be.greaterThan(MB * 900_000);
    expect(large - small, `${small} with a small one, ${large} with the large one`).to.be.below(
      40 * 1024 * 1024,
    );
  });
});
