import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { checkCacheName, checkRelativePath, parseLocation, sshHost } from '../../src/transfer/source.js';

function refusal(action: () => unknown): AgentError {
  try {
    action();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('transfer: paths of task files', () => {
  for (const [text, host, path] of [
    ['borg@master:/opt/data/ws1/roads.db', 'borg@master', '/opt/data/ws1/roads.db'],
    ['master.example.org:/a', 'master.example.org', '/a'],
    ['borg@10.0.0.1:/a//b/./c d.db', 'borg@10.0.0.1', '/a/b/c d.db'],
    ['borg@[fe80::1]:/a', 'borg@[fe80::1]', '/a'],
    ['borg@master:/opt/é$(x);`y`\'"/-e.db', 'borg@master', '/opt/é$(x);`y`\'"/-e.db'],
    ['/opt/data:/x.db', undefined, '/opt/data:/x.db'],
  ] as const)
    it(`takes ${text}`, () => expect(parseLocation(text)).to.deep.equal({ host, path }));

  for (const text of [
    '',
    'roads.db',
    'borg@master:roads.db',
    'borg@master::module/roads.db',
    'borg@master::/roads.db',
    'rsync://master/module/roads.db',
    '-oProxyCommand=touch x:/a',
    '-e:/a',
    '--rsh=sh:/a',
    'user@-oProxyCommand=x:/a',
    '-x@master:/a',
    'borg master:/a',
    'borg@mas ter:/a',
    'borg@master;id:/a',
    'borg@$(id):/a',
    'borg@`id`:/a',
    'borg@master\n:/a',
    'borg@master:/a\nb',
    'borg@master:/a\0b',
    'borg@master:/a\u0085b',
    'borg@master:/a\\#012',
    'borg@master:/a/../../etc/shadow',
    'borg@master:/..',
    'borg@master:/',
    'borg@master:/a/',
    'borg@master-:/a',
    'a@b@master:/a',
    '/a/../b',
    `borg@master:/${'x'.repeat(300)}`,
    `borg@master:${'/abcdefghi'.repeat(200)}`,
    'borg@master:/\ud800',
  ])
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
      const error = refusal(() => parseLocation(text));
      expect([error.reason, error.retry]).to.deep.equal(['invalid-task-file', 'final']);
    });

  it('hands ssh an IPv6 address without brackets', () => {
    expect(sshHost('borg@[fe80::1]')).to.equal('borg@fe80::1');
    expect(sshHost('borg@master')).to.equal('borg@master');
  });

  it('takes the names of the cache’s layout', () => {
    for (const name of [
      'ws1.roads.db',
      'ws1.roads.day.sld',
      `meta/${'a'.repeat(32)}.json`,
      '-e.db',
      'é ü.tar',
    ])
      expect(checkCacheName(name)).to.equal(name);
  });

  for (const name of [
    '',
    'meta/',
    '../x.db',
    'meta/../x.json',
    '/etc/x.db',
    'a/b.db',
    '.partial',
    'meta/.x.json',
    'meta/a/b.json',
    'a\nb.db',
    'meta',
    '.',
    '..',
    '.x.db',
    'roads',
    'x.json',
  ])
    it(`refuses ${JSON.stringify(name)} as a name in the cache`, () => {
      expect(refusal(() => checkCacheName(name)).reason).to.equal('invalid-task-file');
    });

  it('refuses a relative path that leaves its folder', () => {
    expect(checkRelativePath('slave/dpaw/ws1/roads.png')).to.equal('slave/dpaw/ws1/roads.png');
    for (const path of ['/etc/x', '../x', 'a/../../x', 'a\0b', '']) refusal(() => checkRelativePath(path));
  });
});
