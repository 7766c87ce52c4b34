import { expect } from 'chai';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findRepositoryRoot } from '../../src/config/repository-root.js';
import { run } from '../../src/lib/process.js';
import { tempDir } from '../support/temp.js';

describe('config: the repository one stands in', () => {
  it('is found from its root and from below, for Mercurial and Git', async () => {
    for (const vcs of ['hg', 'git']) {
      const root = await tempDir('root');
      await run(vcs, ['init', '-q', root]);
      const below = join(root, 'dpaw/layers');
      await mkdir(below, { recursive: true });
      expect([findRepositoryRoot(root), findRepositoryRoot(below)], vcs).to.deep.equal([root, root]);
    }
  });

  it('is the folder itself of a bare Git repository, and the working copy from inside .git', async () => {
    const [bare, full] = [await tempDir('bare'), await tempDir('full')];
    await run('git', ['init', '-q', '--bare', bare]);
    await run('git', ['init', '-q', full]);
    expect(findRepositoryRoot(bare)).to.equal(bare);
    expect(findRepositoryRoot(join(full, '.git'))).to.equal(full);
  });

  it("is the state repository from the agent's own checkout in code/, but not from any other folder named code", async () => {
    const root = await tempDir('state');
    await run('hg', ['init', root]);
    await run('git', ['init', '-q', join(root, 'code')]);
    expect(findRepositoryRoot(join(root, 'code'))).to.equal(root);
    const other = join(await tempDir('other'), 'code');
    await run('git', ['init', '-q', other]);
    expect(findRepositoryRoot(other)).to.equal(other);
  });

  it('is undefined where there is none', async () => {
    expect(findRepositoryRoot(await tempDir('none'))).to.equal(undefined);
  });
});
