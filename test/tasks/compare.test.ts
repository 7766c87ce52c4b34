import { expect } from 'chai';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import type { FileRecord, PublicationRecord } from '../../src/state/records.js';
import { compare, type CompareInput, type Comparison } from '../../src/tasks/compare.js';
import { fileRecord } from './fixtures.js';

const NOW = new Date('2026-11-20T12:00:00Z');

function publication(path: string, kind = 'feature'): PublicationRecord {
  return { path, generation: 'g', identity: `layer:${path}`, kind, channel: 'dpaw', name: path, spec: {} };
}

const ROADS = 'dpaw/layers/ws1.roads.json';
const META = 'dpaw/layers/ws1.roads.meta.json';

async function comparing(
  desired: Readonly<Record<string, string>>,
  rest: Partial<Omit<CompareInput, 'files'>> & { files?: readonly FileRecord[] } = {},
): Promise<Comparison> {
  return compare({
    desired: Object.entries(desired).map(([path, blobId]) => ({ path, blobId, type: 'file' })),
    publications: [],
    channels: ['dpaw'],
    kinds: await loadKinds(),
    settings: 'settings',
    include: undefined,
    now: NOW,
    onlyDue: false,
    ...rest,
    files: new Map((rest.files ?? []).map((file) => [file.path, file])),
  });
}

const paths = (comparison: Comparison): string[] => comparison.candidates.map((candidate) => candidate.path);

describe('compare', () => {
  it('a file is read when it is new, has changed, is unfinished, or was judged under other settings', async () => {
    expect(paths(await comparing({ [ROADS]: 'blob1' }))).to.deep.equal([ROADS]);
    expect(paths(await comparing({ [ROADS]: 'blob2' }, { files: [fileRecord(ROADS)] }))).to.deep.equal([
      ROADS,
    ]);
    expect(
      paths(await comparing({ [ROADS]: 'blob1' }, { files: [fileRecord(ROADS, { state: 'pending' })] })),
    ).to.deep.equal([ROADS]);
    expect(
      paths(await comparing({ [ROADS]: 'blob1' }, { files: [fileRecord(ROADS)], settings: 'others' })),
    ).to.deep.equal([ROADS]);
    const same = await comparing({ [ROADS]: 'blob1' }, { files: [fileRecord(ROADS)] });
    expect([same.candidates.length, same.unchanged]).to.deep.equal([0, 1]);
  });

  it('a final failure is known, not tried again, until the file changes', async () => {
    const failure = { reason: 'invalid-task-file', retry: 'final', message: 'bad' } as const;
    const files = [fileRecord(ROADS, { state: 'failed', failure })];
    const known = await comparing({ [ROADS]: 'blob1' }, { files });
    expect([known.candidates.length, known.knownFailures.length]).to.deep.equal([0, 1]);
    expect(paths(await comparing({ [ROADS]: 'blob2' }, { files }))).to.deep.equal([ROADS]);
  });

  it('a changed overlay gives the file it belongs to another try', async () => {
    const failure = { reason: 'missing-at-source', retry: 'final', message: 'bad' } as const;
    const files = [fileRecord(ROADS, { state: 'failed', failure })];
    const result = await comparing({ [ROADS]: 'blob1', [META]: 'blob9' }, { files });
    expect(paths(result)).to.have.members([ROADS, META]);
    expect(result.knownFailures).to.have.length(0);
  });

  it('the daemon leaves out what is not due yet; everyone else tries it', async () => {
    const failure = { reason: 'checksum-mismatch', retry: 'remote', message: 'bad' } as const;
    const later = new Date(NOW.getTime() + 60_000);
    const files = [fileRecord(ROADS, { state: 'failed', failure, nextAttemptAt: later })];
    expect(paths(await comparing({ [ROADS]: 'blob1' }, { files }))).to.deep.equal([ROADS]);
    const daemon = await comparing({ [ROADS]: 'blob1' }, { files, onlyDue: true });
    expect([daemon.candidates.length, daemon.knownFailures.length]).to.deep.equal([0, 1]);
    const due = await comparing(
      { [ROADS]: 'blob1' },
      { files, onlyDue: true, now: new Date(later.getTime() + 1) },
    );
    expect(paths(due)).to.deep.equal([ROADS]);
  });

  it('what was published and is gone is to be removed, whoever took it away and whether it was ever accepted', async () => {
    const result = await comparing({}, { files: [fileRecord(ROADS)], publications: [publication(ROADS)] });
    expect(result.gone.map((p) => p.path)).to.deep.equal([ROADS]);
    expect(result.forgotten.map((file) => file.path)).to.deep.equal([ROADS]);
  });

  it('a channel that is no longer listened to leaves what it brought', async () => {
    const result = await comparing(
      { [ROADS]: 'blob1' },
      { publications: [publication(ROADS)], files: [fileRecord(ROADS)], channels: ['kmi'] },
    );
    expect(result.gone).to.have.length(0);
    expect(result.unlistened.map((p) => p.path)).to.deep.equal([ROADS]);
  });

  it('deleting the file of a kind that cannot be removed asks for nothing', async () => {
    const path = 'dpaw/workspaces/ws1.json';
    const result = await comparing({}, { publications: [publication(path, 'workspace')] });
    expect(result.gone).to.have.length(0);
  });

  it('files outside the known folders, deeper ones and those of other channels are ignored and counted', async () => {
    const result = await comparing({
      README: 'b',
      '.hgsub': 'b',
      'dpaw/layers/deep/x.json': 'b',
      'dpaw/layers/notes.txt': 'b',
      'dpaw/unknown/x.json': 'b',
      'kmi/layers/x.json': 'b',
      'slave_roles.sql': 'b',
      'dpaw/layers.properties': 'b',
    });
    expect(paths(result)).to.have.members(['slave_roles.sql', 'dpaw/layers.properties']);
    expect(result.ignored).to.equal(6);
  });

  it('INCLUDE narrows a run to the files it names', async () => {
    const desired = { [ROADS]: 'b', 'dpaw/layers/ws1.rivers.json': 'b' };
    expect(paths(await comparing(desired, { include: [ROADS] }))).to.deep.equal([ROADS]);
  });
});
