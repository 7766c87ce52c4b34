import { expect } from 'chai';
import type { Job } from '../../src/jobs/job.js';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import { locate } from '../../src/jobs/locate.js';
import type { FileRecord, PublicationRecord } from '../../src/state/records.js';
import { decide, type Decision } from '../../src/tasks/decide.js';
import type { Verdict } from '../../src/tasks/judge.js';
import { fileRecord } from './fixtures.js';

const NOTHING = {
  candidates: [],
  knownFailures: [],
  gone: [],
  unlistened: [],
  forgotten: [],
  unchanged: 0,
  ignored: 0,
};

function layerJob(path: string, name: string, action = 'publish', kind = 'feature'): Job {
  return {
    path,
    channel: 'dpaw',
    kind,
    action,
    identity: `layer:ws1:${name}`,
    name,
    key: 'hash',
    spec: { workspace: 'ws1', name },
    tasks: [],
  };
}

async function verdict(job: Job): Promise<Verdict> {
  const location = locate(job.path, await loadKinds());
  if (location === undefined) throw new Error(`${job.path} is no task file`);
  const file = {
    path: job.path,
    location,
    action: job.action,
    content: {},
    contentHash: 'hash',
    meta: undefined,
  };
  return { type: 'job', file, job, merged: job.spec, dueAt: undefined };
}

const published = (path: string, name: string, kind = 'feature'): PublicationRecord => ({
  path,
  generation: 'g',
  identity: `layer:ws1:${name}`,
  kind,
  channel: 'dpaw',
  name,
  spec: { workspace: 'ws1', name, schema: 'ws1', data_schema: 'ws1_data', outdated_schema: 'ws1_outdated' },
});

async function deciding(input: {
  jobs?: readonly Job[];
  publications?: readonly PublicationRecord[];
  gone?: readonly PublicationRecord[];
  unlistened?: readonly PublicationRecord[];
  files?: readonly FileRecord[];
  prune?: boolean;
  waits?: boolean;
}): Promise<Decision> {
  const { jobs = [], gone = [], files = [] } = input;
  const forgotten = files.filter(({ path }) => gone.some((publication) => publication.path === path));
  const candidates = await Promise.all(
    jobs.map(async (job) => ({
      path: job.path,
      blobId: 'blob',
      type: 'file' as const,
      location: ((await verdict(job)) as Extract<Verdict, { type: 'job' }>).file.location,
    })),
  );
  return decide({
    verdicts: await Promise.all(jobs.map(verdict)),
    difference: { ...NOTHING, candidates, gone, forgotten, unlistened: input.unlistened ?? [] },
    files: new Map(files.map((file) => [file.path, file])),
    publications: input.publications ?? [],
    kinds: await loadKinds(),
    prune: input.prune ?? false,
    prunable: new Map(),
    isWaitingRemoval: (file): file is FileRecord => file !== undefined && (input.waits ?? false),
  });
}

const shown = (decision: Decision): string[] =>
  decision.jobs.map((job) => `${job.action} ${job.path} ${job.identity}`);

describe('decide', () => {
  it('a file that is gone is removed with what the record knows, without its meta file', async () => {
    const roads = published('dpaw/layers/roads.json', 'roads');
    const decision = await deciding({ publications: [roads], gone: [roads] });
    expect(shown(decision)).to.deep.equal(['remove dpaw/layers/roads.json layer:ws1:roads']);
    expect(decision.jobs[0]?.spec).to.include({ data_schema: 'ws1_data' });
  });

  it('a removal that waits is none of this run; what another file has taken over waits for nothing', async () => {
    const roads = published('dpaw/layers/roads.json', 'roads');
    const before = {
      publications: [roads],
      gone: [roads],
      files: [fileRecord(roads.path, { identity: roads.identity })],
      waits: true,
    };
    const waiting = await deciding(before);
    expect([shown(waiting), waiting.waiting.map((file) => file.path)]).to.deep.equal([[], [roads.path]]);
    const takenOver = await deciding({ ...before, jobs: [layerJob('kmi/layers/roads.json', 'roads')] });
    expect([takenOver.waiting, takenOver.handedOver]).to.deep.equal([[], [roads]]);
  });

  it('a file that moves to another path hands over: nothing is removed', async () => {
    const old = published('dpaw/layers/roads.json', 'roads');
    const decision = await deciding({
      jobs: [layerJob('kmi/layers/roads.json', 'roads')],
      publications: [old],
      gone: [old],
    });
    expect(shown(decision)).to.deep.equal(['publish kmi/layers/roads.json layer:ws1:roads']);
    expect(decision.handedOver).to.deep.equal([old]);
  });

  it('a layer that becomes one of another kind is removed as the old one', async () => {
    const old = published('dpaw/layers/roads.json', 'roads');
    const decision = await deciding({
      jobs: [layerJob('dpaw/wms_layers/roads.json', 'roads', 'publish', 'wms_layer')],
      publications: [old],
      gone: [old],
    });
    expect(shown(decision)).to.have.members([
      'publish dpaw/wms_layers/roads.json layer:ws1:roads',
      'remove dpaw/layers/roads.json layer:ws1:roads',
    ]);
  });

  it('a file that publishes something else now removes what it published before', async () => {
    const old = published('dpaw/layers/x.json', 'roads');
    const decision = await deciding({
      jobs: [layerJob('dpaw/layers/x.json', 'rivers')],
      publications: [old],
    });
    expect(shown(decision)).to.have.members([
      'publish dpaw/layers/x.json layer:ws1:rivers',
      'remove dpaw/layers/x.json layer:ws1:roads',
    ]);
  });

  it('a task file that says remove uses what the record knows', async () => {
    const old = published('dpaw/layers/roads.json', 'roads');
    const decision = await deciding({
      jobs: [layerJob('dpaw/layers/roads.json', 'roads', 'remove')],
      publications: [old],
    });
    expect(decision.jobs[0]?.spec).to.include({ outdated_schema: 'ws1_outdated' });
  });

  it('a task file that says remove asks for nothing while another one publishes the same', async () => {
    const decision = await deciding({
      jobs: [
        layerJob('dpaw/layers/roads.json', 'roads', 'remove'),
        layerJob('kmi/layers/roads.json', 'roads'),
      ],
    });
    expect(shown(decision)).to.deep.equal(['publish kmi/layers/roads.json layer:ws1:roads']);
    expect(decision.superseded.map((job) => job.path)).to.deep.equal(['dpaw/layers/roads.json']);
  });

  it('two files that publish one thing are refused, both named; the one that is applied stays', async () => {
    const jobs = [layerJob('dpaw/layers/roads.json', 'roads'), layerJob('kmi/layers/roads.json', 'roads')];
    const fresh = await deciding({ jobs });
    expect(fresh.conflicts.map(({ job }) => job.path)).to.have.members(jobs.map((job) => job.path));
    expect(fresh.conflicts[0]?.error.message)
      .to.include('dpaw/layers/roads.json')
      .and.include('kmi/layers/roads.json');
    const applied = await deciding({ jobs, publications: [published('kmi/layers/roads.json', 'roads')] });
    expect(applied.conflicts.map(({ job }) => job.path)).to.deep.equal(['dpaw/layers/roads.json']);
    expect(shown(applied)).to.deep.equal(['publish kmi/layers/roads.json layer:ws1:roads']);
  });

  it('what the settings no longer take is left alone, until it is pruned', async () => {
    const roads = published('kmi/layers/roads.json', 'roads');
    const kept = await deciding({ publications: [roads], unlistened: [roads] });
    expect([kept.jobs.length, kept.unmanaged]).to.deep.equal([0, [roads]]);
    const pruned = await deciding({ publications: [roads], unlistened: [roads], prune: true });
    expect(shown(pruned)).to.deep.equal(['remove kmi/layers/roads.json layer:ws1:roads']);
  });
});
