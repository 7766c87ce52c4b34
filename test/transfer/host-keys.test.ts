import { expect } from 'chai';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { parseHost, parseKnownHosts, pinHostKeys, scanHostKeys } from '../../src/transfer/host-keys.js';
import { makeRig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';

describe('host keys', function () {
  this.timeout(60_000);

  it('reads user, host and port, and nothing that a program would take for an option', () => {
    expect(parseHost('borg@master.example.org')).to.deep.equal({ host: 'master.example.org', port: 22 });
    expect(parseHost('master:2222')).to.deep.equal({ host: 'master', port: 2222 });
    expect(parseHost('borg@[::1]:2222')).to.deep.equal({ host: '::1', port: 2222 });
    for (const bad of ['', '-oProxyCommand=x', 'a b', 'borg@-x', 'master:0', 'master:99999', 'a;b', '$(x)'])
      expect(() => parseHost(bad), bad).to.throw('is not user@host');
  });

  it("scans a host's keys, with the fingerprints that ssh-keygen shows", async () => {
    const { host, port, dir } = await sshd();
    const keys = await scanHostKeys(host, port);
    const { stdout } = await run('ssh-keygen', ['-lf', join(dir, 'host_key.pub')]);
    expect(keys.map(({ fingerprint }) => fingerprint)).to.deep.equal([stdout.toString('utf8').split(' ')[1]]);
    expect(keys[0]?.name).to.equal(`[${host}]:${port}`);
  });

  it('says so when nothing answers', async () => {
    const error: unknown = await scanHostKeys('127.0.0.1', 1).catch((thrown: unknown) => thrown);
    expect(error).to.include({ reason: 'connection' });
  });

  it('keeps what the file has, adds nothing twice, and refuses another key unless told to', async () => {
    const file = join(await tempDir('hosts'), 'made', 'known_hosts');
    const [one] = parseKnownHosts('master ssh-ed25519 AAAAone=');
    const [two] = parseKnownHosts('master ssh-ed25519 AAAAtwo=');
    if (one === undefined || two === undefined) throw new Error('not read');
    expect(await pinHostKeys(file, [one], { replace: false })).to.equal('written');
    expect((await stat(join(file, '..'))).mode & 0o777).to.equal(0o700);
    await writeFile(file, `# mine\n|1|hashed ssh-rsa AAAA\n${await readFile(file, 'utf8')}`);
    expect(await pinHostKeys(file, [one], { replace: false })).to.equal('unchanged');
    const error: unknown = await pinHostKeys(file, [two], { replace: false }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ reason: 'conflict' });
    expect(await pinHostKeys(file, [two], { replace: true })).to.equal('written');
    expect(await readFile(file, 'utf8')).to.equal(
      '# mine\n|1|hashed ssh-rsa AAAA\nmaster ssh-ed25519 AAAAtwo=\n',
    );
  });

  it('pins a host from the command line, so that a strict ssh command then works', async () => {
    const rig = await makeRig();
    const { host, port, user, sshCommand } = await sshd();
    const target = `${user}@${host}:${port}`;
    const wrong = await rig.cli('pin-host', target, '--fingerprint', 'SHA256:wrong');
    expect(wrong.code).to.equal(1);
    const pinned = await rig.cli('pin-host', target);
    expect(pinned.code, pinned.stderr).to.equal(0);
    const file = join(rig.clone, 'code/known_hosts');
    expect(pinned.stdout)
      .to.contain(`written to ${file}`)
      .and.to.match(/SHA256:\S{43}/);
    const strict = sshCommand.replace(/UserKnownHostsFile=\S+/, `UserKnownHostsFile=${file}`);
    const [program = 'ssh', ...options] = strict.split(' ');
    const { stdout } = await run(program, [...options, host, 'echo', 'in']);
    expect(stdout.toString('utf8')).to.equal('in\n');
    expect((await rig.cli('pin-host', target)).stdout).to.contain('known already');
    await rig.close();
  });
});
