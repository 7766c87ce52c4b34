import { expect } from 'chai';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readHeartbeat } from '../../src/cli/heartbeat.js';
import { CHILD_MARK } from '../../src/lib/process.js';
import { readHolder } from '../../src/state/lock.js';
import { StateStore } from '../../src/state/store.js';
import { makeTable, publish, rowsOf, statusOf, styleFile, succeeds, taskFile } from '../e2e/master.js';
import { isRunning, until } from '../support/daemon.js';
import type { CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { findMarked, kill } from './processes.js';

const ROWS = 20_000;

describe('a run that ends before its work is done', function () {
  this.timeout(90_000);
  let rig: Rig;
  let state: string;
  beforeEach(async () => {
    rig = await makeRig();
    state = join(rig.clone, 'code/.sync_status');
    await makeTable(rig, 'large', ROWS);
    await publish(rig, 'feature', 'ws1', 'large', '--style', `builtin=${await styleFile('#ff0000')}`);
    succeeds(await rig.pull());
  });
  afterEach(async () => rig.close());

  const children = (): number[] => findMarked(state, CHILD_MARK).map(({ pid }) => pid);

  /** Starts a run and, as soon as this program runs below it, stops that one: TERM alone does not end it then. */
  async function runUntil(
    program: string,
    ...command: readonly string[]
  ): Promise<{ ended: Promise<CommandOutcome>; agent: number; stopped: readonly number[] }> {
    const ended = rig.cli(...(command.length > 0 ? command : ['sync']));
    let stopped: readonly number[] = [];
    await until(() => {
      const found = findMarked(state, CHILD_MARK).filter(
        ({ name, words }) => name === program && !words.includes('--version'),
      );
      kill(found, 'SIGSTOP');
      stopped = found.map(({ pid }) => pid).filter(isRunning);
      return stopped.length > 0;
    }, 30_000);
    expect(stopped, `${program} never ran`).not.to.deep.equal([]);
    return { ended, agent: readHolder(state)?.pid ?? 0, stopped };
  }

  for (const program of ['rsync', 'pg_restore'])
    it(`kill -9 leaves ${program} behind, which the next run ends before it does anything`, async () => {
      const { ended, agent, stopped } = await runUntil(program);
      process.kill(agent, 'SIGKILL');
      expect((await ended).code).to.equal(137);
      expect(stopped.filter(isRunning)).to.deep.equal(stopped);
      const next = succeeds(await rig.cli('sync'));
      expect(next.stderr).to.match(/ending processes of a run that was killed/);
      expect(stopped.filter(isRunning)).to.deep.equal([]);
      expect(await rowsOf(rig, 'ws1.large')).to.equal(ROWS);
      expect(children()).to.deep.equal([]);
    });

  for (const [signal, code, program] of [
    ['SIGTERM', 143, 'pg_restore'],
    ['SIGINT', 130, 'rsync'],
  ] as const)
    it(`${signal} ends it with ${code} and ${program} with it, though that hangs; the record says what is left`, async () => {
      const { ended, agent, stopped } = await runUntil(program);
      const begin = performance.now();
      process.kill(agent, signal);
      const outcome = await ended;
      expect(outcome.code, outcome.stderr).to.equal(code);
      // TERM, five seconds of grace, KILL; less than GRACE_SECONDS.
      expect(performance.now() - begin).to.be.lessThan(18_000);
      expect(stopped.filter(isRunning)).to.deep.equal([]);
      expect(children()).to.deep.equal([]);
      // Unknown, when it ended before the record was written for the first time.
      expect((await statusOf(rig)).get(taskFile('large'))?.state).to.be.oneOf([undefined, 'pending']);
      succeeds(await rig.cli('sync'));
      expect(await rowsOf(rig, 'ws1.large')).to.equal(ROWS);
    });

  for (const [what, path] of [
    ['lock', 'code/.sync_status/lock.db'],
    ['state directory', 'code/.sync_status'],
  ] as const)
    it(`without its ${what} it stops, and the next one does the work`, async () => {
      const { ended, stopped } = await runUntil('pg_restore');
      await rm(join(rig.clone, path), { recursive: true });
      const { code, stderr } = await ended;
      expect(code, stderr).to.equal(1);
      expect(stopped.filter(isRunning)).to.deep.equal([]);
      succeeds(await rig.cli('sync'));
      expect(await rowsOf(rig, 'ws1.large')).to.equal(ROWS);
    });

  it('without its lock poll --once fails and says why, and its heartbeat knows of no run', async () => {
    const { ended, stopped } = await runUntil('pg_restore', 'poll', '--once');
    await rm(join(state, 'lock.db'));
    const { code, stderr, stdout } = await ended;
    expect(code, stderr).to.equal(1);
    expect(stderr).to.match(/the lock \S+lock\.db was removed/);
    expect(stdout).to.include('1 not finished');
    expect(stopped.filter(isRunning)).to.deep.equal([]);
    const store = new StateStore(state, 'read');
    const heartbeat = readHeartbeat(store);
    store.close();
    expect(heartbeat).to.include({ outcome: 'failed', failures: 1, ranAt: undefined });
    expect(heartbeat?.message).to.include('was removed');
    succeeds(await rig.cli('poll', '--once'));
    expect(await rowsOf(rig, 'ws1.large')).to.equal(ROWS);
  });
});
