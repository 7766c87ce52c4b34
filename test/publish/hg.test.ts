import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishWorkspace } from '../../src/publish/workspace.js';
import { must } from '../support/repository.js';
import { failure } from '../transfer/rig.js';
import { PublishRig, deps, never } from './rig.js';

describe('publish into a Mercurial working copy that is not at its head', () => {
  let rig: PublishRig;
  beforeEach(async () => {
    rig = await PublishRig.start('hg');
    await rig.repository.commit({ README: 'first' });
    await rig.repository.commit({ README: 'second' });
  });
  afterEach(() => rig.database.drop());

  const upstream = (...args: string[]) => must('hg', args, rig.repository.upstream);

  it('updates it, since a push leaves it behind', async () => {
    await upstream('update', '-q', '0');
    await publishWorkspace(rig.options(), deps, never);
    expect((await upstream('heads', '-T', '{rev} ')).trim()).to.equal('2');
    expect(await readFile(join(rig.repository.upstream, 'README'), 'utf8')).to.equal('second');
  });

  it('touches no uncommitted changes for that', async () => {
    await upstream('update', '-q', '0');
    await writeFile(join(rig.repository.upstream, 'README'), 'being edited');
    const error = await failure(publishWorkspace(rig.options(), deps, never));
    expect([error.reason, error.retry]).to.deep.equal(['conflict', 'transient']);
    expect(await rig.status()).to.equal('M README');
  });

  it('refuses to add to a branch of several heads, which slaves would refuse', async () => {
    await upstream('update', '-q', '0');
    await writeFile(join(rig.repository.upstream, 'README'), 'other');
    await upstream('commit', '-q', '-m', 'other head');
    const error = await failure(publishWorkspace(rig.options(), deps, never));
    expect(error.message).to.include('several heads');
  });

  it('ignores the heads of other branches', async () => {
    await upstream('branch', '-q', 'side');
    await writeFile(join(rig.repository.upstream, 'README'), 'side');
    await upstream('commit', '-q', '-m', 'side');
    await upstream('update', '-q', 'default');
    await publishWorkspace(rig.options(), deps, never);
    expect(await upstream('log', '-r', '.', '-T', '{branch} {files}')).to.equal(
      'default dpaw/workspaces/ws1.json',
    );
  });
});
