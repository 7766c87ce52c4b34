import { expect } from 'chai';
import { failedFileReport, jobReport, type EndedJob } from '../../src/report/job-report.js';
import type { TaskRecord } from '../../src/state/records.js';

const finishedAt = new Date('2026-11-20T10:00:00Z');
const job: EndedJob = {
  path: 'dpaw/layers/ws1.roads.json',
  channel: 'dpaw',
  kind: 'feature',
  hasLayerRow: true,
  action: 'publish',
  name: 'roads',
  spec: { workspace: 'ws1', name: 'roads', spatial_type: 'Point', job_id: '2002', job_batch_id: 'B2002' },
  tasks: ['fetch_dump', 'restore_table', 'update_layer', 'update_preview'],
};
const task = (type: string, changes: Partial<TaskRecord> = {}): TaskRecord => ({
  path: job.path,
  action: 'publish',
  type,
  object: 'o',
  target: 'db',
  fingerprint: '',
  state: 'done',
  output: undefined,
  failure: undefined,
  startedAt: finishedAt,
  finishedAt,
  ...changes,
});
const boom = { reason: 'database', retry: 'final', message: 'boom' } as const;

describe('report/job-report', () => {
  it('takes from job and record what the master shows', () => {
    const tasks = [task('update_preview', { output: { previewFile: 'previews/s/roads.png' } })];
    const report = jobReport(job, { finishedAt, failure: undefined, tasks });
    expect(report).to.include({
      workspace: 'ws1',
      state: 'done',
      failure: undefined,
      spatialType: 'Point',
      jobId: 2002,
      jobBatchId: 'B2002',
      previewFile: 'previews/s/roads.png',
    });
  });

  it('passes on the remarks on a job that is done', () => {
    const report = jobReport(job, { finishedAt, failure: undefined, warnings: ['a', 'b'], tasks: [] });
    expect(report).to.include({ state: 'done', remark: 'a\nb' });
  });

  it('lists the tasks in their order, with those that were not tried', () => {
    const report = jobReport(job, {
      finishedAt,
      failure: boom,
      tasks: [task('restore_table', { state: 'failed', failure: boom }), task('fetch_dump')],
      blocked: [{ type: 'update_layer', object: 'o', target: 'http://a', message: 'boom' }],
    });
    expect(report.tasks.map(({ type, state, message }) => [type, state, message])).to.deep.equal([
      ['fetch_dump', 'done', undefined],
      ['restore_table', 'failed', 'boom'],
      ['update_layer', 'blocked', 'boom'],
    ]);
  });

  it('leaves out tasks of other actions, interrupted ones, and failures on targets that are no longer there', () => {
    const tasks = [
      task('restore_table'),
      task('update_layer', { target: 'http://gone', state: 'failed', failure: boom }),
      task('fetch_dump', { state: 'started' }),
      task('remove_layer', { action: 'remove' }),
    ];
    const report = jobReport(job, { finishedAt, failure: undefined, tasks });
    expect(report.tasks.map(({ type }) => type)).to.deep.equal(['restore_table']);
  });

  it('has no workspace where names of the kind stand alone', () => {
    const workspace = { ...job, kind: 'workspace', name: 'ws1', spec: { workspace: 'ws1', schema: 'ws1' } };
    const report = jobReport(workspace, { finishedAt, failure: undefined, tasks: [] });
    expect(report.workspace).to.equal(undefined);
  });

  for (const jobId of ['B2002', 1.5, 2 ** 31, null, '', {}])
    it(`gives no job number for ${JSON.stringify(jobId)}, which the master cannot hold`, () => {
      const odd = { ...job, spec: { ...job.spec, job_id: jobId } };
      expect(jobReport(odd, { finishedAt, failure: undefined, tasks: [] }).jobId).to.equal(undefined);
    });

  describe('a task file that failed without a job', () => {
    const file: Parameters<typeof failedFileReport>[0] = {
      hasLayerRow: true,
      ...{ path: job.path, blobId: 'b', contentHash: 'h', settings: 's', kind: 'feature', channel: 'dpaw' },
      ...{ action: 'publish', identity: 'i', name: 'roads', spec: undefined, state: 'failed', failure: boom },
      ...{
        remark: undefined,
        attempts: 1,
        nextAttemptAt: undefined,
        dueAt: undefined,
        revision: 'r',
        updatedAt: finishedAt,
      },
    };
    it('is reported under the name it had, with what it published before', () => {
      const report = failedFileReport(file, job.spec);
      expect(report).to.include({
        name: 'roads',
        workspace: 'ws1',
        jobId: 2002,
        failure: 'boom',
        finishedAt,
      });
    });
    it('is not reported when nobody knows what it stands for', () => {
      expect(failedFileReport({ ...file, name: undefined }, job.spec)).to.equal(undefined);
      expect(failedFileReport(file, undefined)).to.equal(undefined);
    });
    it('is not reported when it did not fail', () => {
      expect(failedFileReport({ ...file, state: 'done', failure: undefined }, job.spec)).to.equal(undefined);
    });
  });
});
