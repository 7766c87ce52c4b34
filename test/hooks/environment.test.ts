import { expect } from 'chai';
import {
  environmentOfOtherRepositories,
  gitEnvironment,
  mercurialBinary,
  mercurialEnvironment,
} from '../../src/hooks/environment.js';
import { command } from '../support/repository.js';

describe('environment of children', () => {
  it('gives Mercurial its own pending changesets and no other variable of the hook', () => {
    const hook = {
      PATH: '/bin',
      HG_PENDING: '/srv/state',
      HG_NODE: 'x',
      HG_URL: 'y',
      HGPLAINEXCEPT: 'color',
    };
    const child = mercurialEnvironment(hook, '/srv/state/');
    expect(child).to.deep.include({
      PATH: '/bin',
      HG_PENDING: '/srv/state',
      HGPLAIN: '1',
      HGENCODING: 'UTF-8',
    });
    for (const name of ['HG_NODE', 'HG_URL', 'HGPLAINEXCEPT'])
      expect(child).to.have.property(name, undefined);
    expect(mercurialEnvironment(hook, '/srv/other')).to.have.property('HG_PENDING', undefined);
  });

  it('runs the Mercurial that called the hook', () => {
    expect(mercurialBinary({ HG: '/opt/hg/bin/hg' })).to.equal('/opt/hg/bin/hg');
    expect(mercurialBinary({ HG: '' })).to.equal('hg');
  });

  it('keeps a quarantine for the repository it belongs to, and drops every other binding', () => {
    const hook = {
      GIT_DIR: '.',
      GIT_QUARANTINE_PATH: '/srv/state.git/objects/tmp_objdir-incoming-1',
      GIT_OBJECT_DIRECTORY: '/srv/state.git/objects/tmp_objdir-incoming-1',
      GIT_ALTERNATE_OBJECT_DIRECTORIES: '/srv/state.git/objects',
    };
    const own = gitEnvironment(hook, '/srv/state.git');
    expect(own).to.deep.include({ ...hook, GIT_DIR: undefined });
    for (const other of [gitEnvironment(hook, '/srv/code/.git'), gitEnvironment(hook)])
      for (const name of Object.keys(hook)) expect(other).to.have.property(name, undefined);
    expect(gitEnvironment({ GIT_OBJECT_DIRECTORY: '/elsewhere' }, '/srv/state.git')).to.have.property(
      'GIT_OBJECT_DIRECTORY',
      undefined,
    );
  });

  it('binds other programs to no repository: none of the variables that git itself names is left', async () => {
    const listed = await command('git', ['rev-parse', '--local-env-vars'], '/');
    const names = listed.stdout.trim().split('\n');
    expect(names).to.include('GIT_DIR');
    // `git -c` settings are kept on purpose: they may be what lets git work here at all.
    const kept = ['GIT_CONFIG_PARAMETERS', 'GIT_CONFIG_COUNT'];
    const child = environmentOfOtherRepositories(Object.fromEntries(names.map((name) => [name, 'x'])));
    expect(
      Object.keys(child)
        .filter((name) => child[name] !== undefined)
        .sort(),
    ).to.deep.equal(kept.sort());
  });
});
