import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { which } from '../../scripts/programs.mjs';
import { defaultFolders } from '../../src/config/folders.js';
import { run } from '../../src/lib/process.js';
import { machine } from '../config/support/machine.js';
import { tempDir } from '../support/temp.js';

/** The exposure that systemd calls OK, times ten: 0 is a service that can do nothing, 100 one that can do everything. */
const HIGHEST_EXPOSURE = 15;

const SHIPPED = new URL('../../systemd/slave-sync.service', import.meta.url);

describe('systemd/slave-sync.service', () => {
  let unit: string;

  before(async function () {
    if (which('systemd-analyze') === undefined) this.skip();
    const shipped = await readFile(SHIPPED, 'utf8');
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

describe('systemd/slave-sync.service and runs by hand of its user', () => {
  it('use one record: no variable of the unit says where it lies, and it lies where the service may write', async () => {
    const unit = await readFile(SHIPPED, 'utf8');
    const moving = /^\w*Environment\w*=.*\b(HOME|XDG_STATE_HOME|SYNC_STATUS_PATH|CACHE_PATH)\b/;
    expect(unit.split('\n').filter((line) => moving.test(line))).to.deep.equal([]);

    const home = /useradd .*--home-dir (\S+)/.exec(unit)?.[1] ?? '';
    const [, stateDirectory = ''] = /^StateDirectory=(.+)$/m.exec(unit) ?? [];
    expect(home).to.equal(join('/var/lib', stateDirectory));
    const user = { ...machine, isRoot: false, home };
    const { status } = defaultFolders('/opt/dpaw-borg-state', user, undefined);
    expect(status).to.match(/^\/var\/lib\/slave-sync\/.local\/state\/slave-sync\/dpaw-borg-state-/);
  });
});
