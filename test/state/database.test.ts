import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { RecordDatabase, toRecordError } from '../../src/state/database.js';
import { tempDir } from '../support/temp.js';

const INSERT = 'INSERT INTO setting VALUES (?, ?)';

describe('RecordDatabase', () => {
  let database: RecordDatabase;
  /** Another process, which sees what a crash would leave. */
  let other: RecordDatabase;
  const settings = (from: RecordDatabase): unknown[] =>
    from.read('SELECT key FROM setting ORDER BY key').map(({ key }) => key);

  beforeEach(async () => {
    const folder = await tempDir('record');
    database = new RecordDatabase(folder);
    other = new RecordDatabase(folder);
  });
  afterEach(() => {
    database.close();
    other.close();
  });

  it('what is written in one turn is one transaction, seen at once here and by others when it is written', async () => {
    database.write(INSERT, 'a', '1');
    database.write(INSERT, 'b', '1');
    expect(settings(database)).to.deep.equal(['a', 'b']);
    expect(settings(other)).to.deep.equal([]);
    await database.written();
    expect(settings(other)).to.deep.equal(['a', 'b']);
  });

  it('a transaction that throws takes back its own writes only', async () => {
    database.write(INSERT, 'a', '1');
    const failing = (): void =>
      database.transaction(() => {
        database.write(INSERT, 'b', '1');
        database.transaction(() => database.write(INSERT, 'c', '1'));
        throw new Error('on purpose');
      });
    expect(failing).to.throw('on purpose');
    database.write(INSERT, 'd', '1');
    await database.written();
    expect(settings(other)).to.deep.equal(['a', 'd']);
  });

  it('durably ends the turn: what was written before and with it is there when it returns', () => {
    database.write(INSERT, 'a', '1');
    const seen = database.durably(() => {
      database.write(INSERT, 'b', '1');
      return settings(database);
    });
    expect(seen).to.deep.equal(['a', 'b']);
    expect(settings(other)).to.deep.equal(['a', 'b']);
    expect(database.read('PRAGMA synchronous')).to.deep.equal([{ synchronous: 1 }]);
  });

  it('commit and close write what is open', async () => {
    database.write(INSERT, 'a', '1');
    database.commit();
    expect(settings(other)).to.deep.equal(['a']);
    database.write(INSERT, 'b', '1');
    const written = database.written();
    database.close();
    expect(settings(other)).to.deep.equal(['a', 'b']);
    await written;
    database = new RecordDatabase(database.folder);
  });

  it('two that write in turns do not disturb each other', async () => {
    for (let i = 0; i < 5; i += 1) {
      database.write(INSERT, `a${i}`, '1');
      await database.written();
      other.write(INSERT, `b${i}`, '1');
      await other.written();
    }
    expect(settings(database)).to.have.length(10);
  });
});

describe('a record that cannot be written', () => {
  /** Writes until the disk is full. */
  function fill(database: RecordDatabase): unknown {
    database.read('PRAGMA max_page_count = 40');
    try {
      for (let index = 0; index < 1_000; index += 1) database.write(INSERT, `x${index}`, 'x'.repeat(4_000));
      return undefined;
    } catch (error) {
      return error;
    }
  }
  const rejection = (promise: Promise<void>): Promise<unknown> =>
    promise.then(
      () => 'written',
      (error: unknown) => error,
    );

  it('a full disk is told as such, with what to do, also to those whose earlier writes are lost with it', async () => {
    const database = new RecordDatabase(await tempDir('full'));
    database.write(INSERT, 'a', '1');
    const written = rejection(database.written());
    const thrown = fill(database);
    if (!(thrown instanceof AgentError)) throw new Error(`not understood: ${String(thrown)}`);
    expect(thrown.reason).to.equal('disk-full');
    expect(thrown.message).to.include(database.folder);
    expect(thrown.hint).to.match(/room/);
    const isKept = database.read('SELECT key FROM setting').length > 0;
    expect(await written).to.equal(isKept ? 'written' : thrown);
    database.close();
  });

  it('with room again it goes on: who was told is not told again', async () => {
    const database = new RecordDatabase(await tempDir('full'));
    fill(database);
    await new Promise(setImmediate);
    database.read('PRAGMA max_page_count = 10000');
    database.write(INSERT, 'b', '1');
    await database.written();
    expect(database.read("SELECT key FROM setting WHERE key = 'b'")).to.have.length(1);
    database.close();
  });

  it('a commit that fails with nobody waiting is told to whoever writes next, once', async () => {
    const folder = await tempDir('busy');
    const [database, other] = [new RecordDatabase(folder), new RecordDatabase(folder)];
    database.write(INSERT, 'a', '1');
    await database.written();
    // A constraint that is looked at only when the turn is committed.
    database.read('CREATE TABLE parent (id INTEGER PRIMARY KEY)');
    database.read('CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)');
    database.read('PRAGMA foreign_keys = ON');
    database.write('INSERT INTO child VALUES (1)');
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(() => database.write(INSERT, 'b', '1')).to.throw(/FOREIGN KEY/);
    database.write(INSERT, 'c', '1');
    await database.written();
    expect(other.read('SELECT key FROM setting ORDER BY key').map(({ key }) => key)).to.deep.equal([
      'a',
      'c',
    ]);
    expect(other.read('SELECT * FROM child')).to.deep.equal([]);
    database.close();
    other.close();
  });

  it('anything else stays what it is', () => {
    const error = new Error('x');
    expect(toRecordError(error, '/state')).to.equal(error);
  });
});
