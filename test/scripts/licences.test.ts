import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licences } from '../../scripts/licences.mjs';
import { productionPackages } from '../../scripts/production-packages.mjs';
import { command } from '../support/repository.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Description {
  readonly license?: string;
  readonly scripts?: Readonly<Record<string, string>>;
}

describe('what slave-sync is installed with', function () {
  this.timeout(120_000);

  it('is listed in LICENSES.md', async () => {
    expect(await readFile(join(ROOT, 'LICENSES.md'), 'utf8')).to.equal(licences());
  });

  it('says of itself what the list says, and runs nothing when it is installed', async () => {
    const packages = productionPackages();
    for (const { name, folder, licence, optional } of packages) {
      const file = join(ROOT, folder, 'package.json');
      if (optional && !existsSync(file)) continue; // for other machines
      const { license, scripts = {} } = JSON.parse(await readFile(file, 'utf8')) as Description;
      expect(license, name).to.equal(licence);
      const atInstall = ['preinstall', 'install', 'postinstall'].filter((script) => script in scripts);
      expect(atInstall, name).to.deep.equal([]);
    }
    expect(packages.map(({ name }) => name))
      .to.include('execa')
      .and.not.include('mocha');
  });

  for (const licence of [
    'GPL-3.0-only',
    'AGPL-3.0-or-later',
    'MIT AND GPL-2.0-only',
    'UNLICENSED',
    undefined,
  ])
    it(`is refused under ${licence ?? 'no licence at all'}`, () => {
      const one = { name: 'x', version: '1.0.0', folder: 'node_modules/x', licence, optional: false };
      expect(() => licences([one])).to.throw('Not known to be permissive: x');
    });

  it('may be under a choice of licences one of which is permissive', () => {
    const one = {
      name: 'x',
      version: '1.0.0',
      folder: '',
      licence: '(GPL-2.0-only OR MIT)',
      optional: false,
    };
    expect(licences([one])).to.contain('| x | 1.0.0 |');
  });

  it('is audited: a known vulnerability fails', async () => {
    const advisory = {
      id: 1,
      url: 'https://example.org',
      title: 'x',
      severity: 'high',
      vulnerable_versions: '*',
    };
    const { code, stdout } = await audit({ zod: [advisory] });
    expect(stdout).to.contain('high: zod');
    expect(code).to.equal(1);
  });

  it('is audited: none is fine', async () => {
    expect(await audit({}))
      .to.include({ code: 0 })
      .and.to.have.property('stdout')
      .that.contains('No known');
  });

  it('is not audited without a registry, which is no failure', async () => {
    const { code, stdout } = await runAudit('http://127.0.0.1:1/');
    expect(code).to.equal(0);
    expect(stdout).to.contain('Not audited');
  });
});

/** `npm run audit` with a registry that knows these advisories. */
async function audit(advisories: Readonly<Record<string, readonly object[]>>) {
  const server = createServer((request, response) => {
    request.resume();
    const name = (request.url ?? '').slice(1);
    const isBulk = request.method === 'POST' && name.endsWith('advisories/bulk');
    const versions = { '4.0.0': { name, version: '4.0.0' } };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(isBulk ? advisories : { name, versions, 'dist-tags': { latest: '4.0.0' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await runAudit(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function runAudit(registry: string) {
  return command(process.execPath, [join(ROOT, 'scripts/audit.mjs')], ROOT, {
    npm_config_registry: registry,
  });
}
