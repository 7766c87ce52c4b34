import { expect } from 'chai';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../../src/lib/errors.js';
import { run } from '../../src/lib/process.js';
import {
  forRsync,
  identityFiles,
  splitCommand,
  sshOption,
  withOptions,
} from '../../src/transfer/ssh-command.js';
import { tempDir } from '../support/temp.js';

describe('transfer: the ssh command', () => {
  it('is split as a shell would, without one', async () => {
    const lines = [
      'ssh -i /etc/id_rsa_borg -o StrictHostKeyChecking=no -o KeepAlive=yes',
      `ssh -i '/etc/my key' -o "ProxyCommand=nc -x 'a b' %h \\"%p\\""`,
      String.raw`  ssh\ wrapper   -o'User=x'"y"z  `,
      String.raw`ssh '' "" a\'b "c\d" 'e\f'`,
    ];
    for (const line of lines) {
      const { stdout } = await run('sh', ['-c', `for word in ${line}; do printf '%s\\0' "$word"; done`]);
      expect(splitCommand(line), line).to.deep.equal(stdout.toString().split('\0').slice(0, -1));
    }
  });

  it('expands nothing', () => {
    expect(splitCommand('ssh $(id) `id` $HOME * ;id')).to.deep.equal([
      'ssh',
      '$(id)',
      '`id`',
      '$HOME',
      '*',
      ';id',
    ]);
  });

  for (const line of ['', '   ', `ssh -i 'open`, 'ssh "open', 'ssh \\'])
    it(`refuses ${JSON.stringify(line)}`, () =>
      expect(() => splitCommand(line))
        .to.throw(AgentError)
        .with.property('reason', 'invalid-config'));

  it('passes through rsync word by word', async () => {
    const dir = await tempDir('rsh');
    const script = join(dir, 'ssh wrapper');
    const log = join(dir, 'log');
    await writeFile(script, `#!/bin/sh\nfor word; do printf '%s\\0' "$word"; done >'${log}'\nexit 9\n`);
    await chmod(script, 0o755);
    const words = [
      '-i',
      '/etc/my key',
      `it's`,
      'say "x"',
      `both ' and "`,
      'tab\there',
      String.raw`back\slash`,
      '',
    ];
    await run('rsync', ['-e', forRsync([script, ...words]), 'host:/x', dir], { okCodes: [9, 12] });
    const seen = (await readFile(log, 'utf8')).split('\0');
    expect(seen.slice(0, words.length)).to.deep.equal(words);
  });

  it('is asked for its key files and options, in all ways to write them', () => {
    const words = splitCommand(
      `ssh -i /etc/key -i'/my key' -o IdentityFile=/c -oIdentityFile=/d -o "stricthostkeychecking no"`,
    );
    expect(identityFiles(words)).to.deep.equal(['/etc/key', '/my key', '/c', '/d']);
    expect(sshOption(words, 'StrictHostKeyChecking')).to.equal('no');
    expect(sshOption(words, 'Port')).to.equal(undefined);
  });

  it('takes further options before its own, behind whatever wraps it', () => {
    expect(withOptions(['sudo', '-u', 'borg', '/usr/bin/ssh', '-o', 'A=1'], ['B=2'])).to.deep.equal([
      ...['sudo', '-u', 'borg', '/usr/bin/ssh', '-o', 'B=2', '-o', 'A=1'],
    ]);
    expect(withOptions(['/opt/wrapper', '-p', '1'], ['B=2'])).to.deep.equal([
      '/opt/wrapper',
      '-o',
      'B=2',
      '-p',
      '1',
    ]);
  });
});
