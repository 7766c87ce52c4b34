import { expect } from 'chai';
import { findBrokenOff } from '../../src/cli/broken-off.js';
import { healthLine, judgeHealth, type HealthFacts, type Thresholds } from '../../src/cli/health.js';
import { readHeartbeat, saveHeartbeat, type Heartbeat } from '../../src/cli/heartbeat.js';
import type { Tick } from '../../src/poll.js';
import { StateStore } from '../../src/state/store.js';
import { tempDir } from '../support/temp.js';

const GIB = 2 ** 30;
const now = new Date('2026-01-02T00:00:00Z');
const revision = 'ab'.repeat(20);
const thresholds: Thresholds = { maxAgeMs: 900_000, maxRunMs: 14_400_000, maxFailed: 0, minFreeBytes: GIB };

const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);

const heartbeat: Heartbeat = {
  at: ago(10),
  outcome: 'done',
  failures: 0,
  message: undefined,
  pulledAt: ago(10),
  ranAt: ago(10),
  revision,
};

const well: HealthFacts = {
  now,
  heartbeat,
  lastRun: { at: ago(10), revision },
  brokenOff: undefined,
  running: undefined,
  files: 40,
  failed: [],
  target: { revision },
  disks: [
    { name: 'state', path: '/srv/state', freeBytes: 20 * GIB },
    { name: 'cache', path: '/srv/cache', freeBytes: 20 * GIB },
  ],
};

const sick = (changes: Partial<HealthFacts>, limits: Partial<Thresholds> = {}): [string, string] => {
  const { state, text } = judgeHealth({ ...well, ...changes }, { ...thresholds, ...limits });
  return [state, text];
};

describe('health', () => {
  it('says in one line that all is well, with performance data', () => {
    expect(healthLine(judgeHealth(well, thresholds))).to.equal(
      'SLAVE-SYNC OK - last success 10 s ago; revision abababababab; 0 of 40 task files failed; ' +
        '20.0 GiB free for the state; 20.0 GiB free for the cache | ' +
        'age=10s;;900 failed=0;0 files=40 failed_polls=0;0 ' +
        'free_state=21474836480B;1073741824:;107374183: free_cache=21474836480B;1073741824:;107374183:',
    );
  });

  it('is critical when the last success is too old', () => {
    const old = { at: ago(7_300), revision };
    const beat = { ...heartbeat, pulledAt: ago(7_300) };
    expect(sick({ lastRun: old, heartbeat: beat })).to.deep.equal([
      'critical',
      'last success 2 h ago, last poll 10 s ago',
    ]);
    expect(sick({ lastRun: { at: ago(900), revision } })[0]).to.equal('ok');
    expect(sick({ lastRun: { at: ago(901), revision } })[0]).to.equal('critical');
  });

  it('takes no run for a success while the master cannot be pulled from', () => {
    const beat: Heartbeat = {
      ...heartbeat,
      outcome: 'failed',
      failures: 9,
      message: 'no route',
      pulledAt: ago(4_000),
    };
    expect(sick({ heartbeat: beat })).to.deep.equal([
      'critical',
      'last success 67 min ago, last poll 10 s ago; 9 polls failed in a row: no route',
    ]);
  });

  it('says what the last poll had to wait for when the last success is too old', () => {
    const beat: Heartbeat = {
      ...heartbeat,
      outcome: 'busy',
      message: 'hg pull: locked',
      pulledAt: ago(4_000),
    };
    expect(sick({ heartbeat: beat })).to.deep.equal([
      'critical',
      'last success 67 min ago, last poll 10 s ago: hg pull: locked',
    ]);
    expect(sick({ heartbeat: { ...beat, pulledAt: ago(10) } })[0]).to.equal('ok');
  });

  it('warns of a last run that broke off, which nothing else tells after a hook', () => {
    const hookOnly = { heartbeat: undefined, lastRun: { at: ago(7_200), revision } };
    const brokenOff = { command: 'hook hg', at: ago(300), isInterrupted: false };
    expect(sick({ ...hookOnly, brokenOff }, { maxAgeMs: undefined })).to.deep.equal([
      'warning',
      'the last run (hook hg) broke off 5 min ago: see its log, or run slave-sync sync',
    ]);
    const interrupted = { ...brokenOff, isInterrupted: true };
    expect(sick({ ...hookOnly, brokenOff: interrupted }, { maxAgeMs: undefined })).to.deep.equal([
      'warning',
      'the last run (hook hg) was interrupted 5 min ago: see its log, or run slave-sync sync',
    ]);
  });

  it('warns of failed polls at once', () => {
    expect(sick({ heartbeat: { ...heartbeat, failures: 1, message: 'no route' } })).to.deep.equal([
      'warning',
      '1 poll failed in a row: no route',
    ]);
  });

  it('does not judge the age where only a hook runs', () => {
    const lastRun = { at: ago(40 * 86_400), revision };
    const found = sick({ heartbeat: undefined, lastRun }, { maxAgeMs: undefined });
    expect(found[0]).to.equal('ok');
    expect(found[1]).to.include('last success 40 days ago');
    expect(sick({ heartbeat: undefined, lastRun })[0]).to.equal('critical');
  });

  it('lets a long run be, up to a limit', () => {
    const running = { pid: 7, command: 'slave-sync poll', since: ago(3_600).toISOString() };
    const lastRun = { at: ago(3_700), revision: 'cd'.repeat(20) };
    expect(sick({ running, lastRun })[0]).to.equal('ok');
    expect(sick({ running, lastRun: undefined })[0]).to.equal('ok');
    expect(sick({ running, lastRun }, { maxRunMs: 1_800_000 })).to.deep.equal([
      'warning',
      'slave-sync poll (process 7) has been running for 60 min, last success 62 min ago',
    ]);
  });

  it('is unknown before the first run has ended, and before the first pull has worked', () => {
    const beat: Heartbeat = { ...heartbeat, pulledAt: undefined };
    expect(sick({ heartbeat: beat })).to.deep.equal([
      'unknown',
      'no pull has worked yet, last poll 10 s ago',
    ]);
    expect(sick({ lastRun: undefined })).to.deep.equal([
      'unknown',
      'no run has ended yet, last poll 10 s ago',
    ]);
  });

  it('warns of failed task files and names some', () => {
    const failed = ['a.json', 'b.json', 'c.json', 'd.json'];
    expect(sick({ failed })).to.deep.equal([
      'warning',
      '4 of 40 task files failed (a.json, b.json, c.json, …)',
    ]);
    expect(sick({ failed }, { maxFailed: 4 })[0]).to.equal('ok');
  });

  it('warns when the repository is ahead of the last run', () => {
    expect(sick({ target: { revision: 'cd'.repeat(20) } })).to.deep.equal([
      'warning',
      'the repository is at cdcdcdcdcdcd, the last run was of abababababab',
    ]);
    expect(sick({ target: { error: 'two heads' } })).to.deep.equal([
      'critical',
      'the state repository cannot be followed: two heads',
    ]);
  });

  it('warns when the disk gets full, and is critical when it is nearly so', () => {
    const disk = (freeBytes: number): [string, string] =>
      sick({ disks: [{ name: 'cache', path: '/srv/cache', freeBytes }] });
    expect(disk(GIB)[0]).to.equal('ok');
    expect(disk(GIB / 2)).to.deep.equal(['warning', '512.0 MiB free for the cache in /srv/cache']);
    expect(disk(GIB / 20)[0]).to.equal('critical');
  });

  it('tells the worst first', () => {
    const [state, text] = sick({
      failed: ['a.json'],
      lastRun: undefined,
      disks: [{ name: 'state', path: '/srv/state', freeBytes: 0 }],
    });
    expect(state).to.equal('critical');
    expect(text).to.match(/^0 B free for the state in .*; no run has ended yet, .*; 1 of 40 /);
  });

  it('stays one line with one bar, whatever the texts hold', () => {
    const line = healthLine({ state: 'warning', text: 'a | b\nc\r\td', metrics: [] });
    expect(line).to.equal('SLAVE-SYNC WARNING - a / b c d');
  });
});

describe('a run that broke off', () => {
  const ended = { revision, outcome: 'done', summary: {} };
  let store: StateStore;

  beforeEach(async () => {
    store = new StateStore(await tempDir('state'));
    store.finishRun(store.startRun('sync', ago(500)), ago(400), ended);
  });
  afterEach(() => store.close());

  const found = (isUnderWay = false, endedAt = ago(400)) =>
    findBrokenOff(store.lastRun(), { isUnderWay, endedAt });

  it('is the newest one, without a revision, until another one goes to its end', () => {
    expect(found()).to.equal(undefined);
    store.finishRun(store.startRun('hook hg', ago(300)), ago(290), { outcome: 'failed', summary: {} });
    expect(found()).to.deep.equal({ command: 'hook hg', at: ago(290), isInterrupted: false });
    expect(findBrokenOff(store.lastRun(), { isUnderWay: false, endedAt: undefined })).to.include({
      command: 'hook hg',
    });
    // As the heartbeat knows it.
    expect(found(false, ago(200))).to.equal(undefined);
    store.finishRun(store.startRun('hook hg', ago(100)), ago(90), { ...ended, outcome: 'failed' });
    expect(found()).to.equal(undefined);
  });

  it('was interrupted when it has no end and nobody runs, and when it was stopped', () => {
    const run = store.startRun('hook git', ago(300));
    expect(found(true)).to.equal(undefined);
    expect(found()).to.deep.equal({ command: 'hook git', at: ago(300), isInterrupted: true });
    store.finishRun(run, ago(200), { ...ended, outcome: 'stopped' });
    expect(found()).to.deep.equal({ command: 'hook git', at: ago(200), isInterrupted: true });
  });

  it('is none of the daemon, whose heartbeat knows whether it was asked to stop', () => {
    store.finishRun(store.startRun('poll', ago(300)), ago(290), { outcome: 'failed', summary: {} });
    expect(found()).to.equal(undefined);
    store.startRun('poll', ago(200));
    expect(found()).to.equal(undefined);
  });
});

describe('heartbeat', () => {
  const pulled = { outcome: 'unchanged', revision } as const;
  const report = { revision, results: [], unchanged: 0, ignored: 0 };
  const done: Tick = { outcome: 'done', pulled, report, error: undefined };

  it('keeps the time of the last pull and run that worked', async () => {
    const store = new StateStore(await tempDir('state'));
    try {
      expect(readHeartbeat(store)).to.equal(undefined);
      saveHeartbeat(store, { tick: done, failures: 0, message: undefined, now: ago(60) });
      const first: Heartbeat = { ...heartbeat, at: ago(60), pulledAt: ago(60), ranAt: ago(60) };
      expect(readHeartbeat(store)).to.deep.equal(first);

      const failed: Tick = { ...done, outcome: 'failed', pulled: undefined };
      saveHeartbeat(store, { tick: failed, failures: 1, message: 'no route', now: ago(30) });
      const second = {
        ...first,
        at: ago(30),
        outcome: 'failed',
        failures: 1,
        message: 'no route',
        ranAt: ago(30),
      };
      expect(readHeartbeat(store)).to.deep.equal(second);

      const stopped: Tick = { ...done, outcome: 'stopped' };
      saveHeartbeat(store, { tick: stopped, failures: 0, message: undefined, now });
      expect(readHeartbeat(store)).to.deep.include({ at: now, pulledAt: now, ranAt: ago(30) });
    } finally {
      store.close();
    }
  });
});
