import { expect } from 'chai';
import type { Clock } from '../../src/lib/clock.js';
import { createLogger, LOG_LEVELS, type LogFormat, type LogLevel } from '../../src/lib/log.js';
import { Redactor, Secret } from '../../src/lib/secret.js';

const clock: Clock = { now: () => new Date('2026-11-20T12:00:00Z'), sleep: () => Promise.resolve() };

function logged(format: LogFormat, level: LogLevel, redactor = new Redactor()) {
  const lines: string[] = [];
  return { lines, log: createLogger({ format, level, redactor, clock, write: (line) => lines.push(line) }) };
}

describe('log', () => {
  it('no level is lost that is asked for, and none comes that is not', () => {
    for (const [index, level] of LOG_LEVELS.entries()) {
      const { lines, log } = logged('json', level);
      for (const each of LOG_LEVELS) log[each](`at ${each}`);
      const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level);
      expect(levels).to.deep.equal(LOG_LEVELS.slice(index));
    }
  });

  it('times are UTC and say so', () => {
    const { lines, log } = logged('pretty', 'info');
    log.info('started');
    expect(lines).to.deep.equal(['2026-11-20T12:00:00.000Z INFO  started\n']);
  });

  it('fields of a child come with every line; a line stays a line whatever a value holds', () => {
    const { lines, log } = logged('pretty', 'info');
    log.child({ job: 'a b' }).warn('odd', { text: 'two\nlines', n: 3, none: undefined });
    expect(lines).to.deep.equal(['2026-11-20T12:00:00.000Z WARN  odd job="a b" text="two\\nlines" n=3\n']);
  });

  it('a field called message does not take the place of the text', () => {
    const { lines, log } = logged('json', 'info');
    log.error('job failed', { message: 'no such host' });
    expect(JSON.parse(lines[0] ?? '')).to.include({ message: 'job failed', detail: 'no such host' });
  });

  it('known secrets are replaced wherever they stand, also in URLs and JSON', () => {
    const redactor = new Redactor();
    redactor.add(new Secret('pa"ss/word'), undefined, 'abc');
    const { lines, log } = logged('json', 'info', redactor);
    log.info('x', {
      a: 'is pa"ss/word',
      b: new Secret('other'),
      c: `http://u:${encodeURIComponent('pa"ss/word')}@host/`,
      d: 'abc',
    });
    expect(lines[0]).to.not.include('ss/word').and.to.not.include('ss%2Fword').and.to.not.include('other');
    expect(lines[0]).to.include('"d":"abc"');
    expect(redactor.redact('postgres://user:unknown@host/db')).to.equal('postgres://user:***@host/db');
  });
});
