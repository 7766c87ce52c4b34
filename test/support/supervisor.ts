import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { which } from '../../scripts/programs.mjs';
import { run } from '../../src/lib/process.js';
import { startDaemon } from './daemon.js';
import { tempDir } from './temp.js';

export interface Supervisor {
  /** Runs supervisorctl and gives its output; `status` of a program that does not run exits with 3, which is no error here. */
  ctl(...args: readonly string[]): Promise<string>;
  /** What supervisord logged. */
  log(): Promise<string>;
  /** What the program wrote. */
  output(): Promise<string>;
  stop(): Promise<void>;
}

/**
 * A real supervisord that runs the shipped `supervisor/slave_poll.conf`; only the state repository's folder, the user and
 * the log's place are changed. `slave-sync` is whatever the first folder of `path` has under this name.
 */
export async function startSupervisor(options: { directory: string; path: string }): Promise<Supervisor> {
  const supervisord = which('supervisord');
  if (supervisord === undefined) throw new Error('supervisor is not installed: run `npm test`');
  const dir = await tempDir('supervisor');
  const programLog = join(dir, 'program.log');
  const shipped = await readFile(new URL('../../supervisor/slave_poll.conf', import.meta.url), 'utf8');
  const program = shipped
    .replace('directory=/opt/dpaw-borg-state', `directory=${options.directory}`)
    .replace('user=root', `user=${userInfo().username}`)
    .replace('/var/log/supervisor/slave_poll.log', programLog);
  await writeFile(join(dir, 'slave_poll.conf'), program);
  await writeFile(join(dir, 'supervisord.conf'), SUPERVISORD.replaceAll('DIR', dir));

  const logFile = join(dir, 'supervisord.log');
  const daemon = await startDaemon({
    file: supervisord,
    args: ['--nodaemon', '--configuration', join(dir, 'supervisord.conf')],
    env: { PATH: `${options.path}:${process.env['PATH'] ?? ''}` },
    logFile: join(dir, 'stderr.log'),
    endSignal: 'SIGTERM',
    ready: () =>
      access(join(dir, 'socket')).then(
        () => true,
        () => false,
      ),
  });
  return {
    ctl: async (...args) => {
      const all = ['-c', join(dir, 'supervisord.conf'), ...args];
      return (await run('supervisorctl', all, { okCodes: [0, 3], timeoutMs: 90_000 })).stdout.toString(
        'utf8',
      );
    },
    log: () => readFile(logFile, 'utf8'),
    output: () => readFile(programLog, 'utf8'),
    stop: () => daemon.stop('SIGTERM'),
  };
}

const SUPERVISORD = `[supervisord]
logfile=DIR/supervisord.log
pidfile=DIR/supervisord.pid
childlogdir=DIR
[unix_http_server]
file=DIR/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://DIR/socket
[include]
files=DIR/slave_poll.conf
`;
