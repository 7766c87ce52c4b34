import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { CHILD_MARK } from '../../src/lib/process.js';
import {
  makeTemporaryFolder,
  removeAbandonedFolders,
  TEMPORARY_NAME_BYTES,
} from '../../src/lib/temporary.js';

describe('temporary folders', () => {
  const made: string[] = [];
  afterEach(async () => {
    Reflect.deleteProperty(process.env, CHILD_MARK);
    for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
  });

  async function makeFor(record: string | undefined): Promise<string> {
    if (record === undefined) Reflect.deleteProperty(process.env, CHILD_MARK);
    else process.env[CHILD_MARK] = record;
    const folder = await makeTemporaryFolder();
    made.push(folder);
    return folder;
  }

  it('of killed runs are removed, those of other records and of no run stay', async () => {
    const [ours, others, nobodys] = [
      await makeFor('/ours/status'),
      await makeFor('/others/status'),
      await makeFor(undefined),
    ];
    expect(basename(ours)).to.have.length(TEMPORARY_NAME_BYTES);
    await removeAbandonedFolders('/ours/status');
    expect([ours, others, nobodys].map(existsSync)).to.deep.equal([false, true, true]);
  });
});
