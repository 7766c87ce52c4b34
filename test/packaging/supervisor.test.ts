import { expect } from 'chai';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, until } from '../support/daemon.js';
import { startSupervisor } from '../support/supervisor.js';
import { tempDir } from '../support/temp.js';

/** Stands for the daemon: writes who it is, starts a child in its group, and ends at TERM. */
const PROGRAM = `#!/bin/sh
sleep 300 & child=$!
trap 'wait $child; echo "ended cleanly"; exit 0' TERM
echo "$*" > arguments
echo "$$ $child" > pids.new && mv pids.new pids
wait $child
`;

describe('supervisor/slave_poll.conf', () => {
  it('starts the daemon in the state repository, again after a kill, and ends its group with TERM', async () => {
    const [repository, bin] = [await tempDir('state'), await tempDir('bin')];
    await writeFile(join(bin, 'slave-sync'), PROGRAM);
    await chmod(join(bin, 'slave-sync'), 0o755);
    const pids = async (): Promise<number[]> =>
      (await readFile(join(repository, 'pids'), 'utf8').catch(() => '')).trim().split(' ').map(Number);

    const supervisor = await startSupervisor({ directory: repository, path: bin });
    try {
      expect(await until(async () => (await pids()).length === 2, 10_000), await supervisor.log()).to.be.true;
      expect(await readFile(join(repository, 'arguments'), 'utf8')).to.equal('poll\n');

      const [first = 0, orphan = 0] = await pids();
      process.kill(first, 'SIGKILL');
      process.kill(orphan, 'SIGKILL');
      expect(await until(async () => (await pids())[0] !== first, 10_000), 'started again').to.be.true;

      const [second = 0, child = 0] = await pids();
      expect(await supervisor.ctl('stop', 'slave_poll')).to.equal('slave_poll: stopped\n');
      expect([isRunning(second), isRunning(child)]).to.deep.equal([false, false]);
      expect(await supervisor.output()).to.include('ended cleanly');
      expect(await supervisor.ctl('status')).to.match(/^slave_poll\s+STOPPED/);
      expect(await supervisor.log()).to.not.include('with SIGKILL');
    } finally {
      await supervisor.stop();
    }
  });
});
