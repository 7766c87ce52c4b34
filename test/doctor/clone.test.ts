import { expect } from 'chai';
import { chmod, chown, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../../src/doctor/check.js';
import { command, makeRepository, must, type TestRepository } from '../support/repository.js';

const PROBE = fileURLToPath(new URL('clone-probe.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** Root may write whatever the mode says; without these capabilities it is a user like others. */
const WITHOUT_RIGHTS = isRoot
  ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all', '--']
  : [];

async function examine(
  { vcs, clone }: Pick<TestRepository, 'vcs' | 'clone'>,
  as: readonly string[] = WITHOUT_RIGHTS,
): Promise<Finding> {
  const words = [...as, process.execPath, '--import', import.meta.resolve('tsx/esm'), PROBE, vcs, clone];
  const [program = '', ...args] = words;
  const { stdout, stderr } = await command(program, args, clone);
  expect(stderr).to.equal('');
  return JSON.parse(stdout) as Finding;
}

/** What is found while this file or folder is read only, or has another mode. */
async function whileReadOnly(
  repository: Pick<TestRepository, 'vcs' | 'clone'>,
  path: string,
  mask = 0o555,
): Promise<Finding> {
  const file = join(repository.clone, path);
  const { mode } = await stat(file);
  await chmod(file, mode & mask);
  try {
    return await examine(repository);
  } finally {
    await chmod(file, mode);
  }
}

const PATHS = {
  hg: ['.hg', '.hg/store', '.hg/store/data', '.hg/store/00changelog.i'],
  git: ['.git', '.git/objects', '.git/refs'],
} as const;

for (const vcs of ['hg', 'git'] as const)
  describe(`doctor: a clone of ${vcs}`, () => {
    let repository: TestRepository;
    before(async () => {
      repository = await makeRepository(vcs);
    });

    it('that can be written is as it should be, before a first pull and after it', async () => {
      const { clone } = repository;
      const fine = { name: 'clone', state: 'ok', message: `${clone} can be written` };
      expect(await examine(repository)).to.deep.equal(fine);
      await repository.commit({ 'dpaw/workspaces/town.json': '{}' });
      expect(await repository.pull()).to.include({ code: 0 });
      expect(await examine(repository)).to.deep.equal(fine);
    });

    for (const path of PATHS[vcs])
      it(`whose ${path} this user cannot write`, async () => {
        const found = await whileReadOnly(repository, path);
        expect(found).to.include({ name: 'clone', state: 'failed' });
        expect(found.message)
          .to.include(`${repository.clone} cannot be written: EACCES`)
          .and.to.match(new RegExp(`'${join(repository.clone, path)}'$`));
        expect(found.hint).to.include('as the user that the repository belongs to');
      });

    it('that belongs to somebody else, looked at by root', async function () {
      if (!isRoot) this.skip();
      const { clone } = repository;
      const part = join(clone, vcs === 'hg' ? '.hg/store' : '.git/objects');
      await chown(part, 65_534, 65_534);
      const found = await examine(repository, []);
      await chown(part, 0, 0);
      expect(found).to.deep.equal({
        name: 'clone',
        state: 'warning',
        message: `${part} belongs to user 65534, and this runs as root: what root makes there, that user cannot write`,
        hint: 'Run slave-sync as that user, always.',
      });
    });
  });

describe('doctor: a clone that is made otherwise', () => {
  it('of Mercurial, as `hg share` makes it', async () => {
    const repository = await makeRepository('hg');
    const shared = join(repository.clone, '../shared');
    await must('hg', ['--config', 'extensions.share=', 'share', '-q', repository.clone, shared], '/');
    const sharing = { ...repository, clone: shared };
    expect(await examine(sharing)).to.include({ state: 'ok' });
    expect((await whileReadOnly(sharing, '../clone/.hg/store')).message).to.include('clone/.hg/store');
  });

  it('of Mercurial, and that this user cannot even look into', async () => {
    const found = await whileReadOnly(await makeRepository('hg'), '.hg', 0);
    expect(found.message).to.match(/cannot be written: EACCES.*\.hg'$/);
  });

  it('of git, a linked worktree', async () => {
    const repository = await makeRepository('git');
    await repository.commit({ 'dpaw/workspaces/town.json': '{}' });
    expect(await repository.pull()).to.include({ code: 0 });
    const linked = join(repository.clone, '../linked');
    await must('git', ['worktree', 'add', '-q', linked, '--detach'], repository.clone);
    const sharing = { ...repository, clone: linked };
    expect(await examine(sharing)).to.include({ state: 'ok' });
    for (const path of ['../clone/.git/objects', '../clone/.git/worktrees/linked'])
      expect((await whileReadOnly(sharing, path)).message).to.include(path.slice(3));
  });
});
