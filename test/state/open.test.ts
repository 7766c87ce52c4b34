import { expect } from 'chai';
import Database from 'libsql';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS } from '../../src/state/schema.js';
import { StateStore } from '../../src/state/store.js';
import { tempDir } from '../support/temp.js';

describe('the record, opened to read', () => {
  let folder: string;
  const file = (): string => join(folder, 'record.db');
  beforeEach(async () => {
    folder = await tempDir('state');
  });

  /** Of the first program that kept one. */
  function oldRecord(): void {
    const database = new Database(file());
    database.exec(MIGRATIONS[0] ?? '');
    database.pragma('user_version = 1');
    database.exec(`INSERT INTO publication (path, identity, kind, channel, name, spec)
      VALUES ('p', 'i', 'k', 'c', 'n', '{}')`);
    database.close();
  }
  const versionOfFile = (): unknown => {
    const database = new Database(file());
    const [row] = database.prepare('PRAGMA user_version').all() as { user_version: number }[];
    database.close();
    return row?.user_version;
  };

  for (const access of ['read', 'rehearse'] as const) {
    it(`${access}: is empty where there is none, and not made`, () => {
      const missing = join(folder, 'none');
      const store = new StateStore(missing, access);
      expect([store.files().size, store.publications(), store.lastRun()]).to.deep.equal([0, [], undefined]);
      store.close();
      expect(existsSync(missing)).to.equal(false);
    });

    it(`${access}: one of an older program is read as it is now, and stays as it was`, () => {
      oldRecord();
      const store = new StateStore(folder, access);
      expect(store.publications()).to.deep.equal([
        { path: 'p', generation: '', identity: 'i', kind: 'k', channel: 'c', name: 'n', spec: {} },
      ]);
      store.close();
      expect(versionOfFile()).to.equal(1);
    });

    it(`${access}: one of a newer program is refused`, () => {
      new StateStore(folder).close();
      const database = new Database(file());
      database.pragma(`user_version = ${MIGRATIONS.length + 1}`);
      database.close();
      expect(() => new StateStore(folder, access)).to.throw('was written by a newer slave-sync');
    });
  }

  it('refuses writes, while a rehearsal sees and forgets them; others go on writing meanwhile', async () => {
    const writer = new StateStore(folder);
    writer.setSetting('k', 'before');
    await writer.database.written();
    const [reader, rehearsal] = [new StateStore(folder, 'read'), new StateStore(folder, 'rehearse')];
    expect(() => reader.setSetting('k', 'mine')).to.throw(/readonly/);
    rehearsal.setSetting('k', 'mine');
    writer.setSetting('k', 'after');
    await writer.database.written();
    expect([reader.setting('k'), rehearsal.setting('k')]).to.deep.equal(['after', 'mine']);
    for (const store of [reader, rehearsal, writer]) store.close();
    const again = new StateStore(folder, 'read');
    expect(again.setting('k')).to.equal('after');
    again.close();
  });
});
