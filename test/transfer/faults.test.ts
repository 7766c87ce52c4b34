import { expect } from 'chai';
import { chmod, readFile, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { tempDir } from '../support/temp.js';
import { freePort } from '../support/port.js';
import { TransferRig, failure, md5, never, noise } from './rig.js';

describe('transfer: faults', () => {
  let rig: TransferRig;
  beforeEach(async () => {
    rig = await TransferRig.start();
  });
  afterEach(() => rig.close());

  const request = async (name = 'roads.db', data: string | Buffer = 'roads') => ({
    source: await rig.publish(name, data),
    md5: md5(data),
    cacheName: `ws1.${name}`,
  });

  it('says that nothing listens, and connects again when something does', async () => {
    const port = await freePort();
    const transfer = rig.transfer({ ssh: `ssh -F none -o BatchMode=yes -p ${port}` });
    const error = await failure(transfer.fetch(await request(), never));
    expect([error.reason, error.retry]).to.deep.equal(['connection', 'transient']);
    expect(error.message).to.include(rig.host).and.include('Connection refused');
    expect(error.hint).to.include('Nothing listens');
    const again = await failure(transfer.fetch(await request(), never));
    expect(again.message).to.include('Connection refused');
  });

  it('says that the host key is not known, or another one', async () => {
    const dir = await tempDir('known');
    const port = /-p (\d+)/.exec(rig.ssh)![1]!;
    const keyFile = join(dir, 'other');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
    const otherKey = `[127.0.0.1]:${port} ${await readFile(`${keyFile}.pub`, 'utf8')}`;
    for (const [known, hint] of [
      ['', 'The host key is not known'],
      [otherKey, 'The host key differs from the known one'],
    ] as const) {
      await writeFile(join(dir, 'hosts'), known);
      const ssh = rig.ssh.replace(/UserKnownHostsFile=\S+/, `UserKnownHostsFile=${join(dir, 'hosts')}`);
      const error = await failure(rig.transfer({ ssh }).fetch(await request(), never));
      expect([error.reason, error.retry]).to.deep.equal(['connection', 'transient']);
      expect(error.hint).to.include(hint);
    }
  });

  it('says that the key is refused', async () => {
    const keyFile = join(await tempDir('key'), 'other');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
    const ssh = rig.ssh.replace(/-i \S+/, `-i ${keyFile}`);
    const error = await failure(rig.transfer({ ssh }).fetch(await request(), never));
    expect(error.reason).to.equal('connection');
    expect(error.hint).to.include('refuses the key');
  });

  it('gives up on a server that takes the connection and says nothing', async () => {
    const server = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const timeouts = { connectSeconds: 1, idleSeconds: 2 };
    for (const sharing of ['', ' -o ControlMaster=no']) {
      const ssh = `ssh -F none -o BatchMode=yes -o ConnectTimeout=3600 -p ${port}${sharing}`;
      const error = await failure(rig.transfer({ ssh, timeouts }).fetch(await request(), never));
      expect([error.reason, error.retry]).to.deep.equal(['connection', 'transient']);
    }
    server.close();
  });

  it('ends at once although a connection is still being made', async () => {
    const server = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const transfer = rig.transfer({
      ssh: `ssh -F none -p ${port}`,
      timeouts: { connectSeconds: 3600, idleSeconds: 3600 },
    });
    const fetch = failure(transfer.fetch(await request(), never));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await transfer.close();
    expect((await fetch).reason).to.equal('cancelled');
    server.close();
  });

  it('gives up on an rsync that is stopped', async () => {
    const dir = await tempDir('bin');
    await writeFile(join(dir, 'rsync'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${dir}${delimiter}${path}`;
    try {
      const timeouts = { connectSeconds: 5, idleSeconds: 0.1 };
      const error = await failure(rig.transfer({ timeouts }).fetch(await request(), never));
      expect([error.reason, error.retry]).to.deep.equal(['timed-out', 'transient']);
    } finally {
      process.env['PATH'] = path;
    }
  }).timeout(20_000);

  it('makes a connection of its own for each rsync where one cannot be shared', async () => {
    const before = await rig.counts();
    const { ssh } = await rig.sshWrapper();
    const transfer = rig.transfer({ ssh });
    await transfer.fetch(await request('a.db'), never);
    await transfer.fetch(await request('b.db'), never);
    expect((await rig.counts()).logins).to.equal(before.logins + 2);
  });

  it('leaves an own ControlMaster in the ssh command alone', async () => {
    const socket = join(await tempDir('own'), 's');
    const ssh = `${rig.ssh} -o ControlMaster=auto -o ControlPath=${socket} -o ControlPersist=5`;
    const file = await rig.transfer({ ssh }).fetch(await request(), never);
    expect(await readFile(file.path, 'utf8')).to.equal('roads');
    await run('ssh', ['-F', 'none', '-o', `ControlPath=${socket}`, '-O', 'exit', rig.host]);
  });

  it('makes a new shared connection when the old one has died', async () => {
    const transfer = rig.transfer();
    await transfer.fetch(await request('a.db'), never);
    const [pid] = await sharedConnections();
    process.kill(pid!, 'SIGKILL');
    const file = await transfer.fetch(await request('b.db'), never);
    expect(await readFile(file.path, 'utf8')).to.equal('roads');
  });

  it('leaves no connection, no socket and no folder behind', async () => {
    const transfer = rig.transfer();
    await transfer.fetch(await request(), never);
    expect(await sharedConnections()).to.have.length(1);
    await transfer.close();
    expect(await sharedConnections()).to.deep.equal([]);
    expect(await readdir(join(rig.cache, '.partial'))).to.deep.equal([]);
    expect((await failure(transfer.fetch(await request('late.db'), never))).reason).to.equal('cancelled');
  });

  it('stops what is aborted and goes on with the rest', async () => {
    const { ssh } = await rig.sshWrapper({ after: 500_000, pauseMs: 700 });
    const transfer = rig.transfer({ ssh });
    const controller = new AbortController();
    const [wanted, unwanted] = [noise(1_000_000), noise(1_000_000)];
    const kept = transfer.fetch(await request('a.db', wanted), never);
    const dropped = failure(transfer.fetch(await request('b.db', unwanted), controller.signal));
    setTimeout(() => controller.abort(), 300);
    const error = await dropped;
    expect([error.reason, error.retry]).to.deep.equal(['cancelled', 'transient']);
    expect(md5(await readFile((await kept).path))).to.equal(md5(wanted));
  });

  it('ends rsync and ssh when everything is aborted, and resumes later', async () => {
    const data = noise(3_000_000);
    const { ssh, received } = await rig.sshWrapper({ after: 2_000_000, pauseMs: 60_000 });
    const controller = new AbortController();
    const fetch = failure(rig.transfer({ ssh }).fetch(await request('a.db', data), controller.signal));
    while ((await received().catch(() => 0)) < 2_000_000)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 200));
    controller.abort();
    expect((await fetch).reason).to.equal('cancelled');
    await rig.close();
    const counting = await rig.sshWrapper();
    await rig.transfer({ ssh: counting.ssh }).fetch(await request('a.db', data), never);
    expect(await counting.received()).to.be.below(1_500_000);
  });

  it('cleans up when the disk is full, and works again when there is room', async () => {
    const dir = await tempDir('bin');
    // What rsync writes and returns on a full disk; the partial file stays as it does there.
    await writeFile(
      join(dir, 'rsync'),
      `#!/bin/sh
       for last; do :; done
       for path in $(tr '\\0' ' '); do head -c 1000 /dev/zero >"$last/$path.new"; mv "$last/$path.new" "$last/$path"; done
       echo 'rsync: [receiver] write failed on "/x": No space left on device (28)' >&2
       echo 'rsync error: error in file IO (code 11) at receiver.c(382) [receiver=3.2.7]' >&2
       exit 11`,
    );
    await chmod(join(dir, 'rsync'), 0o755);
    const transfer = rig.transfer();
    const used = await transfer.fetch(await request('used.db'), never);
    const unused = await transfer.fetch(await request('unused.db'), never);
    transfer.release(unused);
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${dir}${delimiter}${path}`;
    const error = await failure(transfer.fetch(await request(), never)).finally(
      () => (process.env['PATH'] = path),
    );
    expect([error.reason, error.retry]).to.deep.equal(['disk-full', 'transient']);
    expect(error.message).to.include('No space left on device');
    const left = (await readdir(rig.cache, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(left.map((entry) => entry.name)).to.deep.equal(['ws1.used.db']);
    expect(await readFile(used.path, 'utf8')).to.equal('roads');
    const file = await transfer.fetch(await request(), never);
    expect(await readFile(file.path, 'utf8')).to.equal('roads');
  });

  it('fails only what cannot be received: a path that leads through another file', async () => {
    const transfer = rig.transfer();
    const good = await request('a.db', noise(100));
    const source = `${rig.host}:${rig.files}/a.db/inside.db`;
    const [fine, bad] = await Promise.allSettled([
      transfer.fetch(good, never),
      transfer.fetch({ source, md5: md5('x'), cacheName: 'ws1.inside.db' }, never),
    ]);
    expect([fine.status, bad.status]).to.deep.equal(['fulfilled', 'rejected']);
  });
});

/** The process ids of ssh connections that are shared. */
async function sharedConnections(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.startsWith('ssh') && line.includes('ControlMaster=yes') && (await isOurs(pid)))
      found.push(Number(pid));
  }
  return found;
}

/** Other test processes have connections of their own: ours name our temporary folder's key file. */
async function isOurs(pid: string): Promise<boolean> {
  const { dir } = await import('../support/sshd.js').then(({ sshd }) => sshd());
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(dir);
}
