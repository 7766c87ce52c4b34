import { expect } from 'chai';
import { path, qualify, segment } from '../../src/geoserver/names.js';

describe('names', () => {
  it('encodes each name as one segment', () => {
    expect(path`/rest/workspaces/${'a b'}/styles/${'ü.é?#&+\'"'}.json`).to.equal(
      `/rest/workspaces/a%20b/styles/%C3%BC.%C3%A9%3F%23%26%2B'%22.json`,
    );
    expect(segment(qualify({ workspace: 'ws', name: 'a:b' }))).to.equal('ws%3Aa%3Ab');
    expect(segment('...')).to.equal('...');
  });

  const bad = [
    '',
    '.',
    '..',
    'a/b',
    '../x',
    'a%b',
    '%2e%2e',
    'a;b',
    'a\\b',
    'a\nb',
    'a\0b',
    'a\u2028b',
    'a\u007fb',
    'a\ud800',
  ];
  for (const name of bad)
    it(`refuses ${JSON.stringify(name)}`, () => {
      for (const use of [
        () => segment(name),
        () => qualify({ workspace: 'ws', name }),
        () => path`/x/${name}`,
      ])
        try {
          use();
          expect.fail('expected a refusal');
        } catch (error) {
          expect(error).to.include({ reason: 'invalid-task-file', retry: 'final' });
        }
    });
});
