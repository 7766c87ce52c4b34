import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { run, start } from '../../src/lib/process.js';

async function failureOf(promise: Promise<unknown>): Promise<AgentError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('did not fail');
}

describe('run', () => {
  it('ends with the program, also when a daemon it started keeps its output open', async () => {
    const script = "setsid sh -c 'echo $$; exec sleep 60' & sleep 0.5; exit 3";
    const { stdout, exitCode } = await run('sh', ['-c', script], { timeoutMs: 30_000, okCodes: [3] });
    const daemon = Number(stdout.toString());
    expect(exitCode).to.equal(3);
    expect(process.kill(daemon, 'SIGKILL')).to.equal(true);
  });

  it('keeps all output of a program that ends at once', async () => {
    const { stdout } = await run('head', ['-c', '50000000', '/dev/zero']);
    expect(stdout.length).to.equal(50_000_000);
  });

  it('kills what ignores TERM, and says so', async () => {
    let killed = 0;
    const script = "trap '' TERM; while :; do sleep 0.1; done";
    const failure = await failureOf(
      run('sh', ['-c', script], { timeoutMs: 300, graceMs: 300, onKill: () => (killed += 1) }),
    );
    expect(failure.reason).to.equal('timed-out');
    expect(killed).to.equal(1);
  });
});

describe('start', () => {
  it('stops a server that ends with its input', async () => {
    const server = start('cat', []);
    await server.stop();
    expect(await server.exited).to.equal(0);
  });

  it('a program that is not installed has exited, and may be written to', async () => {
    const server = start('no-such-program', []);
    expect(server.pid).to.equal(0);
    server.stdin.write('anybody there?');
    expect(await server.exited).to.equal(undefined);
    await server.stop();
  });

  it('hands over its environment without what is removed, and ends with a signal', async () => {
    process.env['SLAVE_SYNC_TEST'] = 'inherited';
    const stop = new AbortController();
    const script = 'echo "[$SLAVE_SYNC_TEST] [$ADDED]"; cat';
    const options = { env: { SLAVE_SYNC_TEST: undefined, ADDED: 'yes' }, signal: stop.signal };
    const server = start('sh', ['-c', script], options);
    const said = await new Promise((resolve) => server.stdout.once('data', resolve));
    expect(String(said)).to.equal('[] [yes]\n');
    stop.abort();
    expect(await server.exited).to.equal(undefined);
    delete process.env['SLAVE_SYNC_TEST'];
  });
});
