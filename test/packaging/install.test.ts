import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/lib/process.js';
import { workspaceFiles } from '../support/master.js';
import { command } from '../support/repository.js';
import { makeRig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the npm package', function () {
  this.timeout(180_000);
  let folder: string;
  let prefix: string;
  let tarball: string;

  before(async () => {
    await run(process.execPath, [join(ROOT, 'scripts/prepare.mjs')]);
    folder = await tempDir('package');
    prefix = join(folder, 'prefix');
    tarball = await pack(ROOT);
  });

  it('holds the program and what an operator copies from it, and nothing else', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball]);
    const top = new Set(
      stdout
        .toString('utf8')
        .trim()
        .split('\n')
        .map((path) => path.split('/')[1]),
    );
    expect([...top].sort()).to.deep.equal([
      ...['.env.example', 'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'dist', 'hgrc.sample'],
      ...['package.json', 'supervisor', 'systemd'],
    ]);
  });

  it('is installed globally without running a script', async () => {
    await install(tarball);
    expect(await command(program(), ['--version'], folder)).to.include({
      code: 0,
      stdout: `${await version(ROOT)}\n`,
    });
  });

  it('keeps the record when a newer one is installed over it', async () => {
    const rig = await makeRig();
    await install(tarball);
    await rig.commit(workspaceFiles('kept'));
    await rig.pull();
    const first = await rig.exec(program(), 'sync');
    expect(first.code, first.stderr).to.equal(0);

    await install(await packNewer('9.9.9'));

    expect(await rig.exec(program(), '--version')).to.include({ stdout: '9.9.9\n' });
    const second = await rig.exec(program(), 'sync', '--json');
    expect(second.code, second.stderr).to.equal(0);
    expect(JSON.parse(second.stdout)).to.include({ unchanged: 1 }).and.to.have.deep.property('jobs', []);
    await rig.close();
  });

  function program(): string {
    return join(prefix, 'bin/slave-sync');
  }

  async function packNewer(number: string): Promise<string> {
    const source = await tempDir('newer');
    await run('tar', ['-xzf', tarball, '-C', source]);
    const file = join(source, 'package/package.json');
    const description = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...description, version: number }));
    return pack(join(source, 'package'));
  }

  async function install(file: string): Promise<void> {
    const options = ['--prefix', prefix, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await run('npm', ['install', '--global', ...options, file], { cwd: folder, timeoutMs: 120_000 });
  }

  async function pack(source: string): Promise<string> {
    const options = ['--ignore-scripts', '--json', '--pack-destination', folder];
    const { stdout } = await run('npm', ['pack', ...options], { cwd: source });
    const [packed] = JSON.parse(stdout.toString('utf8')) as { filename: string }[];
    return join(folder, packed?.filename ?? '');
  }
});

async function version(folder: string): Promise<string> {
  const description = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  return description.version;
}
