import { expect } from 'chai';
import { parseAccessRules } from '../../src/geoserver/access-rules.js';

describe('access rules', () => {
  it('reads a properties file as Java does', () => {
    const file = [
      '# a comment \\',
      '  ! another',
      '',
      'mode = challenge',
      '*.*.r=*\r',
      'ws.a\\ b.r : ROLE_A, ROLE_B',
      'ws.gr\\u00f6\\u00dfe.w ROLE_C,\\',
      '    ROLE_D',
      'ws.empty.a=',
      'ws.*.w=first',
      'ws.*.w=second',
    ].join('\n');
    const { mode, rules } = parseAccessRules(file);
    expect(mode).to.equal('CHALLENGE');
    expect([...rules]).to.deep.equal([
      ['*.*.r', ['*']],
      ['ws.a b.r', ['ROLE_A', 'ROLE_B']],
      ['ws.größe.w', ['ROLE_C', 'ROLE_D']],
      ['ws.empty.a', []],
      ['ws.*.w', ['second']],
    ]);
  });

  it('says nothing about a mode that is not given', () => {
    expect(parseAccessRules('*.*.r=*').mode).to.equal(undefined);
  });

  for (const line of [
    'nonsense',
    'ws.r=X',
    'ws.layer.x=X',
    'ws.a.b.r=X',
    'ws..r=X',
    'mode=loud',
    'w\\u00zz.*.r=X',
    'w.*.r=\\\\\\u12',
  ])
    it(`refuses ${line}`, () => {
      expect(() => parseAccessRules(`*.*.r=*\n${line}\n`))
        .to.throw('layers.properties')
        .that.includes({ reason: 'invalid-data', retry: 'final' });
    });
});
