import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { which } from '../../scripts/programs.mjs';
import { run } from '../../src/lib/process.js';
import { startDaemon } from './daemon.js';
import { freePort } from './port.js';
import { tempDir } from './temp.js';

const HOST = '127.0.0.1';

export interface TestSshd {
  readonly host: typeof HOST;
  readonly port: number;
  /** Who one logs in as: whoever runs the tests. */
  readonly user: string;
  /** For BORG_SSH, `rsync -e` and `hg --ssh`: `ssh` with port, key and known hosts, without the user's own settings. */
  readonly sshCommand: string;
  /** The folder with host_key, client_key, known_hosts and the server's log. */
  readonly dir: string;
}

let server: Promise<TestSshd> | undefined;

/** A real sshd on a free loopback port that takes one key: one per process, started at the first call, gone at exit. */
export async function sshd(): Promise<TestSshd> {
  server ??= startSshd();
  return server;
}

async function startSshd(): Promise<TestSshd> {
  const file = which('sshd');
  if (file === undefined) throw new Error('sshd is not installed: run `npm test`');
  const user = userInfo().username;
  const dir = await tempDir('ssh');
  const logFile = join(dir, 'log');
  for (const key of ['host_key', 'client_key'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', join(dir, key)]);
  await writeFile(join(dir, 'authorized_keys'), await readFile(join(dir, 'client_key.pub')), { mode: 0o600 });
  // The folder sshd gives up its rights in; the Debian package leaves making it to the service.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });

  const startOn = async (port: number): Promise<number> => {
    await writeFile(join(dir, 'sshd_config'), await configuration(dir, port));
    await startDaemon({
      file,
      args: ['-D', '-e', '-f', join(dir, 'sshd_config')],
      logFile,
      endSignal: 'SIGTERM',
      ready: async () => (await readFile(logFile, 'utf8')).includes(`listening on ${HOST} port ${port}.`),
    });
    return port;
  };
  const port = await startOn(await freePort()).catch(async () => startOn(await freePort()));
  const hostKey = await readFile(join(dir, 'host_key.pub'), 'utf8');
  await writeFile(join(dir, 'known_hosts'), `[${HOST}]:${port} ${hostKey}`);
  return { host: HOST, port, user, sshCommand: sshCommand(dir, port), dir };
}

async function configuration(dir: string, port: number): Promise<string> {
  return Object.entries({
    ListenAddress: HOST,
    Port: port,
    HostKey: join(dir, 'host_key'),
    AuthorizedKeysFile: join(dir, 'authorized_keys'),
    PidFile: 'none',
    PermitRootLogin: 'prohibit-password',
    PasswordAuthentication: 'no',
    KbdInteractiveAuthentication: 'no',
    // Its folders lie under /tmp, which is everybody's.
    StrictModes: 'no',
    UsePAM: (await isLocked()) ? 'yes' : 'no',
    PrintMotd: 'no',
    MaxStartups: 200,
    MaxSessions: 100,
    LogLevel: 'VERBOSE',
  })
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

/** Ubuntu locks root's password; sshd then refuses even keys, unless PAM decides. */
async function isLocked(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  return /^root:!/m.test(await readFile('/etc/shadow', 'utf8').catch(() => ''));
}

function sshCommand(dir: string, port: number): string {
  const options = {
    IdentitiesOnly: 'yes',
    UserKnownHostsFile: join(dir, 'known_hosts'),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    BatchMode: 'yes',
    LogLevel: 'ERROR',
  };
  const words = Object.entries(options).map(([name, value]) => `-o ${name}=${value}`);
  return ['ssh', '-F none', `-p ${port}`, `-i ${join(dir, 'client_key')}`, ...words].join(' ');
}
