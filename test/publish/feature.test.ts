import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspectDump } from '../../src/pgdump/inspect.js';
import { publishEmptyTiles, publishFeature, publishMeta, publishRemove } from '../../src/publish/feature.js';
import { publishWorkspace } from '../../src/publish/workspace.js';
import { failure } from '../transfer/rig.js';
import { PublishRig, deps, never } from './rig.js';
import { vcsOf } from '../support/vcs.js';

interface Reference {
  readonly file: string;
  readonly md5: string;
}

for (const { vcs, note } of vcsOf('publish/feature'))
  describe(`publish into ${vcs}${note}`, () => {
    let rig: PublishRig;
    beforeEach(async () => {
      rig = await PublishRig.start(vcs);
    });
    afterEach(() => rig.database.drop());

    const PATH = 'dpaw/layers/ws1.roads.json';

    it('dumps a table and commits its task file, with everything that slaves fetch', async () => {
      const styles = [
        await rig.style('builtin', 'red'),
        { ...(await rig.style('day', 'blue')), isDefault: true },
      ];
      const options = rig.options({
        title: 'Roads',
        abstract: 'All roads',
        keywords: ['a', 'b'],
        styles,
        authLevel: 2,
      });
      const published = await publishFeature(options, deps, never);
      expect(published.taskFile).to.equal(PATH);
      expect(await rig.changed(published.revision)).to.deep.equal([PATH]);

      const task = rig.committedJson(PATH);
      expect(task).to.have.all.keys('data', 'meta', 'job_id', 'job_batch_id', 'action', 'publish_time');
      expect(task['publish_time']).to.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/);
      const data = task['data'] as Reference;
      expect(data.file).to.equal(
        `borg@master:${rig.dataRoot}/full_data/dpaw/ws1/${String(task['job_batch_id'])}/roads.db`,
      );
      const dump = await inspectDump(data.file.replace('borg@master:', ''), {
        dataSchema: 'ws1_data',
        table: 'roads',
      });
      expect(dump.format).to.equal('custom');

      const meta = JSON.parse((await rig.read(task['meta'] as Reference)).toString()) as Record<
        string,
        unknown
      >;
      expect(meta).to.deep.include({
        ...{ title: 'Roads', abstract: 'All roads', keywords: ['a', 'b'], workspace: 'ws1', name: 'roads' },
        ...{ channel: 'dpaw', spatial_data: true, sync_postgres_data: true, sync_geoserver_data: true },
        ...{ auth_level: 2, schema: 'ws1', data_schema: 'ws1_data', outdated_schema: 'ws1_outdated' },
        ...{ bbox: '[115, -33, 117, -31]', crs: 'EPSG:4326', spatial_type: 'Point', spatial_column: 'geom' },
        ...{ default_style: 'day', override_bbox: false, identifier: 'ws1:roads' },
      });
      const written = meta['styles'] as Record<string, Reference & { default: boolean }>;
      expect([written['builtin']!.default, written['day']!.default]).to.deep.equal([false, true]);
      for (const reference of [data, task['meta'] as Reference, ...Object.values(written)]) {
        const md5 = createHash('md5')
          .update(await rig.read(reference))
          .digest('hex');
        expect(reference.md5).to.equal(md5);
      }
      expect((await rig.read(written['day']!)).toString()).to.include('blue');
    });

    it('replaces a feature, without touching the files of the publication before', async () => {
      await publishFeature(rig.options(), deps, never);
      const first = rig.committedJson(PATH);
      const dump = await rig.read(first['data'] as Reference);
      await publishMeta(rig.options({ title: 'New' }), deps, never);
      await publishEmptyTiles(rig.options(), deps, never);
      const companions = ['dpaw/layers/ws1.roads.empty_gwc.json', 'dpaw/layers/ws1.roads.meta.json'];
      for (const path of companions) expect(rig.committed(path), path).to.be.a('string');

      const published = await publishFeature(rig.options(), deps, never);
      expect(await rig.changed(published.revision)).to.deep.equal([...companions, PATH].sort());
      for (const path of companions) expect(rig.committed(path), path).to.equal(undefined);
      expect(rig.committedJson(PATH)['data']).to.not.deep.equal(first['data']);
      expect((await rig.read(first['data'] as Reference)).equals(dump)).to.equal(true);
      expect(await rig.status()).to.equal('');
    });

    it('publishes metadata alone', async () => {
      await publishFeature(rig.options(), deps, never);
      const data = rig.committedJson(PATH);
      const published = await publishMeta(
        rig.options({ title: 'New', styles: [await rig.style('night', 'black')] }),
        deps,
        never,
      );
      expect(published.taskFile).to.equal('dpaw/layers/ws1.roads.meta.json');
      expect(rig.committedJson(PATH)).to.deep.equal(data);
      const task = rig.committedJson(published.taskFile);
      expect(task['action']).to.equal('meta');
      const meta = JSON.parse((await rig.read(task['meta'] as Reference)).toString()) as Record<
        string,
        unknown
      >;
      expect(meta).to.deep.include({ title: 'New', default_style: 'night' });
    });

    it('removes a feature, by the schema it was published with', async () => {
      await rig.database.query('CREATE SCHEMA gis; ALTER TABLE ws1_data.roads SET SCHEMA gis');
      await publishFeature(rig.options({ schema: 'gis' }), deps, never);
      await publishMeta(rig.options({ schema: 'gis' }), deps, never);
      const published = await publishRemove(rig.options(), deps, never);
      const task = rig.committedJson(PATH);
      expect(task).to.deep.include({
        action: 'remove',
        workspace: 'ws1',
        name: 'roads',
        schema: 'ws1',
        data_schema: 'gis',
      });
      expect(await rig.changed(published.revision)).to.deep.equal([
        'dpaw/layers/ws1.roads.json',
        'dpaw/layers/ws1.roads.meta.json',
      ]);
      for (const again of [publishRemove, publishEmptyTiles, publishMeta])
        expect((await failure(again(rig.options(), deps, never))).message).to.include('is not published');
    });

    it('publishes a workspace, whose level its features take', async () => {
      const published = await publishWorkspace({ ...rig.options(), authLevel: 2 }, deps, never);
      expect(rig.committedJson(published.taskFile)).to.deep.include({
        ...{ channel: 'dpaw', action: 'publish', auth_level: 2 },
        ...{ schema: 'ws1', data_schema: 'ws1_data', outdated_schema: 'ws1_outdated' },
      });
      await publishFeature(rig.options(), deps, never);
      const reference = rig.committedJson(PATH)['meta'] as Reference;
      expect(JSON.parse((await rig.read(reference)).toString())).to.deep.include({ auth_level: 2 });
    });

    it('computes the box in degrees for other systems, and copes without geometry and without rows', async () => {
      await rig.database.query(
        `CREATE TABLE ws1_data.mga AS SELECT ST_Transform(geom, 28350)::geometry(Point, 28350) AS shape FROM ws1_data.roads;
         CREATE TABLE ws1_data.plain (id int);
         CREATE TABLE ws1_data.empty (geom geometry(MultiPolygon, 4326))`,
      );
      const metaOf = async (name: string) => {
        const { taskFile } = await publishFeature(rig.options({ name }), deps, never);
        const reference = rig.committedJson(taskFile)['meta'] as Reference;
        return JSON.parse((await rig.read(reference)).toString()) as Record<string, unknown>;
      };
      const mga = await metaOf('mga');
      expect(mga).to.deep.include({ crs: 'EPSG:28350', spatial_column: 'shape', spatial_type: 'Point' });
      const box = JSON.parse(String(mga['bbox'])) as number[];
      for (const [i, value] of [115, -33, 117, -31].entries()) expect(box[i]).to.be.closeTo(value, 0.05);
      const plain = await metaOf('plain');
      expect(plain['spatial_data']).to.equal(false);
      expect(plain).to.not.have.any.keys('bbox', 'crs', 'spatial_column');
      const empty = await metaOf('empty');
      expect(empty).to.deep.include({ spatial_data: true, spatial_type: 'MultiPolygon' });
      expect(empty).to.not.have.property('bbox');
    });

    it('commits its own files only', async () => {
      const { upstream } = rig.repository;
      await publishFeature(rig.options(), deps, never);
      await rig.repository.commit({ README: 'text', 'dpaw/layers/ws1.other.json': '{}' });
      await writeFile(join(upstream, 'README'), 'being edited');
      await writeFile(join(upstream, 'notes.txt'), 'untracked');
      await writeFile(join(upstream, 'dpaw/layers/ws1.new.json'), '{}');
      if (vcs === 'git') await rig.stage('README');
      const published = await publishFeature(rig.options(), deps, never);
      expect(await rig.changed(published.revision)).to.deep.equal([PATH]);
      expect(rig.committed('README')).to.equal('text');
      expect(await readFile(join(upstream, 'README'), 'utf8')).to.equal('being edited');
      expect(rig.committed('notes.txt')).to.equal(undefined);
    });

    it('leaves nothing of a publication that fails', async () => {
      await publishFeature(rig.options(), deps, never);
      await publishMeta(rig.options(), deps, never);
      const before = { task: rig.committed(PATH), files: await readdir(rig.dataRoot, { recursive: true }) };
      const partitioned = 'CREATE TABLE ws1_data.parts (id int) PARTITION BY RANGE (id)';
      await rig.database.query(partitioned);
      expect((await failure(publishFeature(rig.options({ name: 'parts' }), deps, never))).message).to.include(
        'partitioned',
      );
      await rig.refuseCommits();
      const error = await failure(publishFeature(rig.options(), deps, never));
      expect(error.message).to.include('no commits today');
      await failure(publishFeature({ ...rig.options(), channel: 'new' }, deps, never));
      expect(rig.committed(PATH)).to.equal(before.task);
      expect(await rig.status()).to.equal('');
      const files = (await readdir(rig.dataRoot, { recursive: true })).filter((name) => /\.\w+$/.test(name));
      expect(files).to.deep.equal(before.files.filter((name) => /\.\w+$/.test(name)));
    });

    it('publishes many at the same time', async () => {
      const names = ['roads', 'rivers', 'parks', 'lakes', 'towns', 'wells'];
      await Promise.all(names.slice(1).map((name) => rig.table(name)));
      await Promise.all(names.map((name) => publishFeature(rig.options({ name }), deps, never)));
      for (const name of names) {
        const task = rig.committedJson(`dpaw/layers/ws1.${name}.json`);
        expect((task['data'] as Reference).file).to.include(`/${name}.db`);
      }
      expect(await rig.status()).to.equal('');
    });

    it('pushes, on top of what others have pushed', async () => {
      const { clone, upstream } = rig.repository;
      await rig.repository.commit({ README: 'first' });
      await rig.repository.pull();
      await rig.inClone(vcs === 'hg' ? ['update', '-q'] : ['status']);
      await rig.table('rivers');
      await rig.repository.commit({ README: 'pushed by someone else' });
      await mkdir(join(clone, 'dpaw'), { recursive: true });
      for (const name of ['roads', 'rivers'])
        await publishFeature(rig.options({ repository: clone, name, push: true }), deps, never);
      if (vcs === 'hg') await rig.inUpstream(['update', '-q']);
      for (const name of ['roads', 'rivers'])
        expect(await readFile(join(upstream, `dpaw/layers/ws1.${name}.json`), 'utf8')).to.include(
          `/${name}.db`,
        );
      expect(await readFile(join(upstream, 'README'), 'utf8')).to.equal('pushed by someone else');
      if (vcs === 'hg') expect((await rig.inUpstream(['heads', '-T', 'x'])).length).to.equal(1);
    });
  });

describe('publish: what is refused', () => {
  let rig: PublishRig;
  before(async () => {
    rig = await PublishRig.start('hg');
  });
  after(() => rig.database.drop());

  for (const [what, options] of [
    ['a channel that leaves the repository', { channel: '../x' }],
    ['the VCS’s own folder as channel', { channel: '.hg' }],
    ['a workspace with a slash', { workspace: 'a/b' }],
    ['a workspace with a dot', { workspace: 'a.b' }],
    ['a name like an option', { name: '-x' }],
    ['a name like another task file', { name: 'roads.meta' }],
    ['a name that is too long', { name: 'x'.repeat(64) }],
    ['a remote that is an option', { remote: '-oProxyCommand=x:' }],
    ['a remote without its colon', { remote: 'borg@master' }],
    ['a remote with a path', { remote: 'borg@master:/opt' }],
    ['a folder that is no repository', { repository: '/' }],
    ['a table that is not there', { name: 'absent' }],
    ['a level that does not exist', { authLevel: 7 }],
    ['a style that is not there', { styles: [{ name: 'a', path: '/no/such.sld', isDefault: false }] }],
    ['two default styles', { styles: ['a', 'b'].map((name) => ({ name, path: '/x', isDefault: true })) }],
    ['a style given twice', { styles: ['a', 'a'].map((name) => ({ name, path: '/x', isDefault: false })) }],
    ['a style whose name is no name', { styles: [{ name: '../a', path: '/x', isDefault: false }] }],
  ] as const)
    it(what, async () => {
      const error = await failure(publishFeature(rig.options(options), deps, never));
      expect(error.retry).to.equal('final');
      expect(await rig.status()).to.equal('');
      expect(
        (await readdir(rig.dataRoot, { recursive: true })).filter((name) => name.includes('B2')),
      ).to.deep.equal([]);
    });

  for (const [what, content] of [
    ['that is no XML', 'not xml'],
    ['with another root', '<html/>'],
    ['with entities', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><StyledLayerDescriptor/>'],
  ] as const)
    it(`a style ${what}`, async () => {
      const style = await rig.style('bad', 'red');
      await writeFile(style.path, content);
      const error = await failure(publishFeature(rig.options({ styles: [style] }), deps, never));
      expect([error.reason, error.retry]).to.deep.equal(['invalid-data', 'final']);
    });
});
