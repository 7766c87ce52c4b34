import { expect } from 'chai';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { inspectDump } from '../../src/pgdump/inspect.js';
import { postgres } from '../support/postgres.js';
import { tempDir } from '../support/temp.js';
import { environmentOf, failureOf, makeRig, type Rig } from './rig.js';

describe('pgdump/inspect', () => {
  let rig: Rig;
  let binDir: string;
  let dir: string;
  let custom: string;
  let tar: string;
  before(async () => {
    rig = await makeRig();
    ({ binDir } = await postgres());
    dir = await tempDir('inspect');
    await rig.master.query(`
      CREATE TABLE d.parent (id int PRIMARY KEY);
      CREATE TABLE d."T. ""x""" (id serial PRIMARY KEY, a int UNIQUE, p int, "self Ref" int, note text CHECK (note <> ''));
      ALTER TABLE d."T. ""x""" ADD CONSTRAINT "to (parent)" FOREIGN KEY (p) REFERENCES d.parent ON DELETE CASCADE,
                               ADD CONSTRAINT self FOREIGN KEY ("self Ref") REFERENCES d."T. ""x""" (id);
      CREATE INDEX ON d."T. ""x""" (note);
      CREATE VIEW d.v AS SELECT 1 AS x; CREATE TABLE d.other (id int); CREATE TABLE d.plain (id int)`);
    [custom, tar] = [await rig.dump('T. "x"'), await rig.dump('T. "x"', 'tar')];
  });
  after(() => rig.close());

  const pgDump = async (...args: string[]): Promise<string> => {
    const file = join(dir, `${Math.random()}.db`);
    await run(join(binDir, 'pg_dump'), ['-f', file, ...args], { env: environmentOf(rig.master) });
    return file;
  };
  const patched = async (file: string, change: (bytes: Buffer) => Buffer): Promise<string> => {
    const copy = join(dir, `${Math.random()}.db`);
    await writeFile(copy, change(await readFile(file)));
    return copy;
  };
  const expected = { dataSchema: 'd', table: 'T. "x"' };

  for (const format of ['custom', 'tar'] as const)
    it(`reads what a ${format} archive holds, names exactly as they are`, async () => {
      const info = await inspectDump(format === 'custom' ? custom : tar, expected);
      expect(info).to.deep.include({
        format,
        archiveVersion: '1.14',
        tables: [{ schema: 'd', name: 'T. "x"', hasData: true }],
        indexCount: 1,
        constraintCount: 2,
      });
      expect(info.foreignKeys.map(({ name, referenced }) => ({ name, referenced }))).to.deep.equal([
        { name: 'self', referenced: { schema: 'd', table: 'T. "x"' } },
        { name: 'to (parent)', referenced: { schema: 'd', table: 'parent' } },
      ]);
      expect(info.foreignKeys[1]!.definition).to.match(/^ALTER TABLE ONLY .* ON DELETE CASCADE$/s);
    });

  it('agrees with the listing of pg_restore', async () => {
    const { stdout } = await run(join(binDir, 'pg_restore'), ['--list', custom]);
    const listed = stdout
      .toString('utf8')
      .match(/^\d+; .*$/gm)!
      .map((line) => Number.parseInt(line, 10));
    const hidden = ['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'DATABASE'];
    const { entries } = await inspectDump(custom);
    expect(entries.filter(({ kind }) => !hidden.includes(kind)).map(({ dumpId }) => dumpId)).to.have.members(
      listed,
    );
  });

  it('refuses what is not exactly the table with its rows', async () => {
    const cases: [string, string][] = [
      [await pgDump('-Fc', '-t', 'd.other'), 'd.other'],
      [await pgDump('-Fc', '-t', 'd.other', '-t', 'd.plain'), 'd.other, d.plain'],
      [await pgDump('-Fc', '-t', 'd.v'), 'view d.v'],
      [await pgDump('-Fc', '-n', 'd'), 'holds the'],
      [await pgDump('-Fc', '--schema-only', '-t', `d."T. ""x"""`), 'without its rows'],
      [await pgDump('-Fc', '--data-only', '-t', `d."T. ""x"""`), 'no table'],
    ];
    for (const [file, message] of cases) {
      const failure = await failureOf(inspectDump(file, expected));
      expect(failure, message).to.include({ reason: 'invalid-data', retry: 'final' });
      expect(failure.message).to.contain(message);
    }
  });

  it('says that a file is missing, empty, or something else', async () => {
    expect(await failureOf(inspectDump(join(dir, 'none')))).to.include({
      reason: 'missing-at-source',
      retry: 'remote',
    });
    for (const text of ['', 'PGDMP', 'PGDM', '-- SQL\n', 'x'.repeat(2_000), '\0'.repeat(2_000)]) {
      const file = await patched(custom, () => Buffer.from(text));
      expect(await failureOf(inspectDump(file)), JSON.stringify(text.slice(0, 10))).to.include({
        reason: 'invalid-data',
        retry: 'remote',
      });
    }
  });

  it('refuses archive versions it does not know, and reads the header of newer ones it does', async () => {
    for (const minor of [11, 17, 255]) {
      const failure = await failureOf(
        inspectDump(await patched(custom, (bytes) => (bytes.writeUInt8(minor, 6), bytes))),
      );
      expect(failure.message).to.contain(`1.${minor}`);
    }
    // Version 1.15 has one byte for the compression instead of an integer of five.
    const newer = await patched(custom, (bytes) => {
      bytes.writeUInt8(15, 6);
      return Buffer.concat([bytes.subarray(0, 11), Buffer.from([1]), bytes.subarray(16)]);
    });
    const info = await inspectDump(newer, expected);
    expect(info.archiveVersion).to.equal('1.15');
    expect(info.volatileRanges).to.deep.equal([{ offset: 12, length: 35 }]);
  });

  it('notices every cut inside the table of contents, and every cut of a tar', async () => {
    const tocEnd = (await readFile(custom)).lastIndexOf('SET CONSTRAINTS') + 1 || 3_000;
    for (let length = 0; length < tocEnd; length += 97) {
      const file = await patched(custom, (bytes) => bytes.subarray(0, length));
      expect(await failureOf(inspectDump(file)), `${length}`).to.include({
        reason: 'invalid-data',
        retry: 'remote',
      });
    }
    const { length: whole } = await readFile(tar);
    for (let length = whole - 1; length > 0; length -= 301) {
      const file = await patched(tar, (bytes) => bytes.subarray(0, length));
      expect(await failureOf(inspectDump(file)), `${length}`).to.include({
        reason: 'invalid-data',
        retry: 'remote',
      });
    }
  });
});
