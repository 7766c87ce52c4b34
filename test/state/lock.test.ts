import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentError } from '../../src/lib/errors.js';
import { acquireLock, isLocked, readHolder } from '../../src/state/lock.js';
import { tempDir } from '../support/temp.js';

const HOLDER = { pid: process.pid, command: 'slave-sync test', since: '2026-11-20T12:00:00Z' };
const LOCK = fileURLToPath(new URL('../../src/state/lock.ts', import.meta.url));

function take(folder: string): AgentError | undefined {
  try {
    acquireLock(folder, HOLDER).release();
    return undefined;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
}

describe('lock', () => {
  it('excludes others without waiting, and names the holder and since when', async () => {
    const folder = await tempDir('lock');
    expect(isLocked(folder)).to.equal(false);
    const lock = acquireLock(folder, HOLDER);
    expect(isLocked(folder)).to.equal(true);
    const refused = take(folder);
    expect(refused?.reason).to.equal('locked');
    expect(refused?.message).to.include('slave-sync test').and.include(HOLDER.since);
    lock.release();
    expect(take(folder)).to.equal(undefined);
  });

  it('ends with its holder, however that dies', async () => {
    const folder = await tempDir('lock');
    const program = `import { acquireLock } from ${JSON.stringify(LOCK)};
      acquireLock(${JSON.stringify(folder)}, { pid: process.pid, command: 'child', since: 'now' });
      console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx/esm', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(take(folder)?.message).to.include(`child (process ${child.pid ?? 0})`);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(take(folder)).to.equal(undefined);
    expect(readHolder(folder)?.pid).to.equal(process.pid);
  });

  it('is not held by a run that could not say who it is', async () => {
    const folder = await tempDir('lock');
    const description = join(folder, 'lock.json');
    await mkdir(description);
    expect(() => acquireLock(folder, HOLDER)).to.throw(/EISDIR/);
    await rm(description, { recursive: true });
    expect(take(folder)).to.equal(undefined);
  });

  it('losing the lock file stops the work', async () => {
    const folder = await tempDir('lock');
    const lock = acquireLock(folder, HOLDER);
    expect(lock.lost.aborted).to.equal(false);
    await rm(join(folder, 'lock.db'));
    await once(lock.lost, 'abort');
    expect((lock.lost.reason as AgentError).message).to.match(/lock\.db was removed/);
    lock.release();
  });
});
