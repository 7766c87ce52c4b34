import { expect } from 'chai';
import { RunReports } from '../../src/cli/run-reports.js';
import type { Job } from '../../src/jobs/job.js';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/log.js';
import { Redactor } from '../../src/lib/secret.js';
import type { MasterSettings } from '../../src/report/types.js';
import { Outbox } from '../../src/state/outbox.js';
import type { FileRecord } from '../../src/state/records.js';
import { StateStore } from '../../src/state/store.js';
import { tempDir } from '../support/temp.js';

const PATH = 'dpaw/layers/ws1.roads.json';
const boom = { reason: 'database', retry: 'final', message: 'boom' } as const;
const job: Job = {
  path: PATH,
  channel: 'dpaw',
  kind: 'feature',
  action: 'publish',
  identity: 'layer:ws1:roads',
  name: 'roads',
  key: 'k',
  spec: { workspace: 'ws1', name: 'roads', job_id: 7 },
  tasks: [],
};
const file: FileRecord = {
  ...{ path: PATH, blobId: 'b', contentHash: 'h', settings: 's', kind: 'feature', channel: 'dpaw' },
  ...{ action: 'publish', identity: job.identity, name: 'roads', spec: job.spec, state: 'failed' },
  ...{
    failure: boom,
    remark: undefined,
    attempts: 1,
    nextAttemptAt: undefined,
    dueAt: undefined,
    revision: 'r1',
  },
  updatedAt: new Date('2026-11-20T10:00:00Z'),
};
const result = { path: PATH, action: 'publish', kind: 'feature', name: 'roads', message: 'boom' };
const LAYERS = new Set(['feature']);
/** Nobody listens there: what would be sent stays in the outbox. */
const master: MasterSettings = {
  ...{ host: '127.0.0.1', port: 1, database: 'd', schema: 's', user: 'u', password: undefined },
};

describe('cli/run-reports', () => {
  let statePath: string;
  let store: StateStore;
  let outbox: Outbox;
  beforeEach(async () => {
    statePath = await tempDir('record');
    store = new StateStore(statePath);
    outbox = new Outbox(store.database);
  });
  afterEach(() => {
    store.close();
  });

  /** A run with what it does between its beginning and its end. */
  async function run(work: (reports: RunReports) => unknown, hindrance?: string): Promise<void> {
    const config = { slaveName: 's', channels: ['dpaw'], statePath, master };
    const reports = new RunReports(
      { config, log: silentLogger, redactor: new Redactor(), clock: systemClock, hindrance },
      store,
    );
    const id = store.startRun('sync', new Date());
    await work(reports);
    store.finishRun(id, new Date(), { revision: 'r1', outcome: 'done', summary: {} });
    const stopped = new AbortController();
    stopped.abort();
    await reports.close(stopped.signal);
  }
  const layerReport = () => outbox.reports('["layer","roads"]').get(PATH) as { failed?: unknown } | undefined;
  const syncMessage = () =>
    (outbox.reports('["slave","sync"]').get('') as { message: string } | undefined)?.message;
  const nothing = { revision: 'r1', results: [], unchanged: 1, ignored: 0 };

  it('reports a job when it ends, and not one that was stopped', async () => {
    await run((reports) => reports.jobEnded(job, { type: 'stopped' }, LAYERS));
    expect(layerReport()).to.equal(undefined);
    await run((reports) => reports.jobEnded(job, { type: 'failed', failure: boom, warnings: [] }, LAYERS));
    expect(layerReport()).to.have.property('failed');
  });

  it('reports a failure that an earlier run was killed before it could report, and that once', async () => {
    store.saveFile(file);
    const known = { ...nothing, results: [{ ...result, state: 'failed', known: true }] } as const;
    await run((reports) => reports.finished(known));
    expect(layerReport()).to.have.nested.property('failed.time', '2026-11-20T10:00:00.000Z');

    outbox.sent(outbox.pending());
    await run((reports) => reports.finished(known));
    expect(outbox.pending().map((row) => row.key)).to.deep.equal(['["slave","sync"]']);
  });

  it('forgets the layers of files that are gone', async () => {
    store.saveFile(file);
    await run((reports) => {
      reports.jobEnded(job, { type: 'done', warnings: [] }, LAYERS);
      return reports.finished({ ...nothing, results: [{ ...result, state: 'done', known: false }] });
    });
    expect(layerReport()).not.to.equal(undefined);
    store.deleteFile(PATH);
    await run((reports) => reports.finished({ ...nothing, revision: 'r2' }));
    expect(layerReport()).to.equal(undefined);
    expect(outbox.pending().map((row) => row.key)).to.include('["layer","roads"]');
  });

  it('says why a run could not do its work, and that the next one could', async () => {
    await run((reports) => reports.failed(new Error('the repository cannot be read')));
    expect(syncMessage()).to.match(/Succeed : False\n {4}Message : the repository cannot be read/);
    const id = store.startRun('sync', new Date());
    store.finishRun(id, new Date(), { outcome: 'failed', summary: {} });
    await run((reports) => reports.finished(nothing));
    expect(syncMessage()).to.equal('Synchronize file from repository\n    Succeed : True');
  });

  it('says what hindered a run that has nothing to do, and that nothing does any more', async () => {
    await run((reports) => reports.finished(nothing));
    await run((reports) => reports.finished(nothing), 'the program was not updated');
    expect(syncMessage()).to.match(/Succeed : True\n {4}Message : the program was not updated/);
    await run((reports) => reports.finished(nothing));
    expect(syncMessage()).to.equal('Synchronize file from repository\n    Succeed : True');
  });

  it('says what hindered a poll with the poll', async () => {
    const polled = (reports: RunReports): Promise<void> => {
      reports.polled();
      return reports.finished(nothing);
    };
    await run(polled);
    await run(polled, 'no route to host');
    expect(outbox.reports('["slave","poll"]').get('')).to.include({ message: 'no route to host' });
    expect(syncMessage()).to.equal('Synchronize file from repository\n    Succeed : True');
  });

  it('says nothing of a run with nothing to do', async () => {
    await run((reports) => reports.finished(nothing));
    outbox.sent(outbox.pending());
    await run((reports) => reports.finished(nothing));
    expect(outbox.pending()).to.deep.equal([]);
  });
});
