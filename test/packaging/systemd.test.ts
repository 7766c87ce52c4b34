import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { which } from '../../scripts/programs.mjs';
import { run } from '../../src/lib/process.js';
import { tempDir } from '../support/temp.js';

/** The exposure that systemd calls OK, times ten: 0 is a service that can do nothing, 100 one that can do everything. */
const HIGHEST_EXPOSURE = 15;

describe('systemd/slave-sync.service', () => {
  let unit: string;

  before(async function () {
    if (which('systemd-analyze') === undefined) this.skip();
    const shipped = await readFile(new URL('../../systemd/slave-sync.service', import.meta.url), 'utf8');
    // Verification wants a program that is there; slave-sync itself is not installed here.
    unit = join(await tempDir('systemd'), 'slave-sync.service');
    await writeFile(unit, shipped.replace('ExecStart=slave-sync', 'ExecStart=/bin/true'));
  });

  it('is a valid unit without a warning', async () => {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit]);
    expect(stdout.toString('utf8') + stderr).to.equal('');
  });

  it('can do little beyond its work', async () => {
    const { exitCode } = await run('systemd-analyze', [
      ...['security', '--offline=true', '--no-pager', `--threshold=${HIGHEST_EXPOSURE}`],
      unit,
    ]);
    expect(exitCode).to.equal(0);
  });
});
