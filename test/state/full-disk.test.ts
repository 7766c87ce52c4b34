import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { openRecord, toRecordError } from '../../src/state/database.js';
import { tempDir } from '../support/temp.js';

describe('a record that cannot be written', () => {
  it('a full disk is told as such, with what to do', async () => {
    const database = openRecord(await tempDir('full'));
    database.pragma('max_page_count = 20');
    let thrown: unknown;
    try {
      for (let index = 0; index < 1_000; index += 1)
        database.prepare('INSERT INTO setting VALUES (?, ?)').run(String(index), 'x'.repeat(4_000));
    } catch (error) {
      thrown = toRecordError(error, '/state');
    }
    database.close();
    if (!(thrown instanceof AgentError)) throw new Error(`not understood: ${String(thrown)}`);
    expect(thrown.reason).to.equal('disk-full');
    expect(thrown.message).to.include('/state');
    expect(thrown.hint).to.match(/room/);
  });

  it('anything else stays what it is', () => {
    const error = new Error('x');
    expect(toRecordError(error, '/state')).to.equal(error);
  });
});
