import { expect } from 'chai';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findDumpTool, findRestoreTool } from '../../src/pgdump/tools.js';
import { tempDir } from '../support/temp.js';
import { failureOf, makeRig, md5Of, never, schemas } from './rig.js';

describe('pgdump/tools', () => {
  /** A folder like /usr/lib/postgresql with programs that say that they are of these versions. */
  const versions = async (...majors: readonly number[]): Promise<string> => {
    const root = await tempDir('versions');
    for (const major of majors)
      for (const program of ['pg_restore', 'pg_dump']) {
        const bin = join(root, String(major), 'bin');
        await mkdir(bin, { recursive: true });
        await writeFile(
          join(bin, program),
          `#!/bin/sh\necho "${program} (PostgreSQL) ${major}.3 (Debian ${major}.3-1)"\n`,
        );
        await chmod(join(bin, program), 0o755);
      }
    return root;
  };
  const choose = async (majors: readonly number[], archiveVersion: string, serverMajor: number) =>
    (await findRestoreTool({ archiveVersion, serverMajor }, { versionsDir: await versions(...majors) }))
      .major;

  it('takes the newest pg_restore that reads the archive and that the server understands', async () => {
    expect(await choose([13, 15, 16, 17], '1.14', 15)).to.equal(16);
    expect(await choose([13, 15, 16, 17], '1.14', 17)).to.equal(17);
    expect(await choose([15, 16, 18], '1.15', 15)).to.equal(16);
    expect(await choose([15, 18], '1.16', 18)).to.equal(18);
    expect(await choose([15], '1.12', 13)).to.equal(15);
  });

  it('names archive, server and tools when none fits', async () => {
    for (const [majors, archive, server] of [
      [[15], '1.15', 15],
      [[17], '1.14', 16],
      [[15, 16, 17], '1.16', 16],
    ] as const) {
      const failure = await failureOf(choose(majors, archive, server));
      expect(failure.reason).to.equal('invalid-config');
      expect(failure.message).to.contain(archive).and.contain(`PostgreSQL ${server}`);
      for (const major of majors) expect(failure.message).to.contain(`(${major})`);
      expect(failure.hint).to.be.a('string');
    }
  });

  it('looks only into PG_BIN_DIR when that is given', async () => {
    const root = await versions(14, 15);
    const places = { versionsDir: root, pgBinDir: join(root, '14', 'bin') };
    expect((await findRestoreTool({ archiveVersion: '1.14', serverMajor: 15 }, places)).major).to.equal(14);
    expect(
      await failureOf(findRestoreTool({ archiveVersion: '1.14', serverMajor: 15 }, { pgBinDir: root })),
    ).to.include({ reason: 'invalid-config' });
  });

  it('takes the oldest pg_dump that can dump the server', async () => {
    const versionsDir = await versions(14, 15, 17);
    expect((await findDumpTool(15, { versionsDir })).major).to.equal(15);
    expect((await findDumpTool(16, { versionsDir })).major).to.equal(17);
    expect(await failureOf(findDumpTool(18, { versionsDir }))).to.include({ reason: 'invalid-config' });
  });

  it('a missing tool fails the publication and leaves everything as it was', async () => {
    const rig = await makeRig();
    try {
      await rig.master.query('CREATE TABLE d.t (id int); INSERT INTO d.t VALUES (1)');
      await rig.publish('t');
      await rig.master.query('INSERT INTO d.t VALUES (2)');
      const bare = rig.other({ pgBinDir: await tempDir('empty') });
      const dumpPath = await rig.dump('t');
      const request = { ...schemas, table: 't', dumpPath, md5: await md5Of(dumpPath), jobId: 'j' };
      expect(await failureOf(bare.publishTable(request, never))).to.include({ reason: 'invalid-config' });
      expect(await rig.slave.query('SELECT * FROM s.t')).to.have.length(1);
      expect(await rig.slave.query(`SELECT to_regclass('d.t') AS t`)).to.deep.equal([{ t: 'd.t' }]);
    } finally {
      await rig.close();
    }
  });
});
