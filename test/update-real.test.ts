import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workspaceFiles } from './support/master.js';
import { startPackageRegistry, type PackageRegistry } from './support/package-registry.js';
import { commitAll, must, type CommandOutcome } from './support/repository.js';
import { makeRig, type Rig } from './support/rig.js';
import { tempDir } from './support/temp.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILD = ['src', 'scripts', 'tsconfig.json', 'tsconfig.build.json', '.gitignore'];
const DEVELOPMENT = ['typescript', '@types/node', '@types/pg', '@types/pngjs'];

describe('CODE_BRANCH with this very program: npm ci, the compiler, the self-test', function () {
  this.timeout(300_000);
  let registry: PackageRegistry;
  let rig: Rig;
  /** Of the program. */
  let upstream: string;
  let checkout: string;

  const program = (...args: string[]): Promise<CommandOutcome> =>
    rig.exec(process.execPath, join(checkout, 'dist/cli.js'), ...args);
  const reported = async (): Promise<Record<string, unknown> | undefined> =>
    (await rig.masterDatabase.query('SELECT code_version, last_sync_message FROM monitor_slaveserver'))[0];

  async function release(version: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
    for (const [path, content] of Object.entries({ ...registry.files(version), ...files })) {
      await mkdir(dirname(join(upstream, path)), { recursive: true });
      await writeFile(join(upstream, path), content);
    }
    return commitAll('git', upstream, version);
  }

  before(async () => {
    [registry, rig] = await Promise.all([
      startPackageRegistry(DEVELOPMENT),
      makeRig({ env: { CODE_BRANCH: 'uat' } }),
    ]);
    const folder = await tempDir('program');
    upstream = join(folder, 'upstream');
    checkout = join(rig.clone, 'code/slave-sync');
    await must('git', ['init', '-q', '-b', 'uat', upstream], folder);
    for (const name of BUILD) await cp(join(ROOT, name), join(upstream, name), { recursive: true });
    await release('1.0.0', { '.npmrc': 'update-notifier=false\n' });
    await must('git', ['clone', '-q', upstream, checkout], folder);
    // What its operator has built there before.
    await cp(join(ROOT, 'dist'), join(checkout, 'dist'), { recursive: true });
    await must('ln', ['-s', join(ROOT, 'node_modules'), 'node_modules'], checkout);
    expect(await program('master', 'init')).to.include({ code: 0 });
  });
  after(async () => {
    await registry.close();
    await rig.close();
  });

  it('builds and tests the new version, switches to it, and goes on as it', async () => {
    const help = 'Keeps this slave in step with its master';
    const source = await readFile(join(upstream, 'src/cli.ts'), 'utf8');
    expect(source).to.include(help);
    const head = await release('1.1.0', { 'src/cli.ts': source.replace(help, 'Rebuilt: keeps this slave') });
    await rig.commit(workspaceFiles('town'));
    await rig.exec('hg', 'pull', '-q');
    const synced = await program('sync');
    expect(synced.code, synced.stdout + synced.stderr).to.equal(0);
    expect(synced.stdout).to.match(/1 done, 0 failed/);
    expect(await readlink(join(checkout, 'dist'))).to.equal(`releases/${head}/dist`);
    const built = join(checkout, 'releases', head);
    expect(existsSync(join(built, 'node_modules/zod/package.json'))).to.equal(true);
    expect(existsSync(join(built, 'node_modules/mocha'))).to.equal(false);
    expect((await program('--help')).stdout).to.include('Rebuilt: keeps this slave');
    expect(await reported()).to.include({ code_version: '1.1.0 (uat)' });
  });

  it('a commit that does not compile changes nothing, and the master hears why', async () => {
    const before = await readlink(join(checkout, 'dist'));
    const head = await release('1.2.0', { 'src/wrong.ts': 'export const = 1;\n' });
    await rig.commit(workspaceFiles('city'));
    await rig.exec('hg', 'pull', '-q');
    const synced = await program('sync');
    expect(synced.code, synced.stdout + synced.stderr).to.equal(0);
    expect(synced.stdout).to.match(/1 done, 0 failed/);
    expect(await readlink(join(checkout, 'dist'))).to.equal(before);
    expect(existsSync(join(checkout, 'releases', head))).to.equal(false);
    expect((await program('--version')).stdout).to.equal('1.1.0\n');
    const { code_version: version, last_sync_message: message } = (await reported()) ?? {};
    expect(version).to.equal('1.1.0 (uat)');
    expect(message)
      .to.include('was not updated to uat')
      .and.to.match(/src\/wrong\.ts\(1,\d+\): error TS\d+/);
  });
});
