import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import { isListened, locate, overlayPath } from '../../src/jobs/locate.js';
import { checkSpec, parseTaskFile, type TaskFile } from '../../src/jobs/parse.js';
import type { Spec } from '../../src/jobs/kind.js';

async function parse(path: string, content: string | Buffer): Promise<TaskFile> {
  const location = locate(path, await loadKinds());
  if (location === undefined) throw new Error(`${path} is no task file`);
  return parseTaskFile(path, Buffer.from(content), location);
}

async function specOf(path: string, content: Record<string, unknown>): Promise<Spec> {
  const file = await parse(path, JSON.stringify(content));
  const action = file.location.kind.actions[file.action];
  if (action === undefined) throw new Error('no such action');
  return checkSpec(path, file.content, action);
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AgentError && error.retry === 'final') return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

const ROADS = 'dpaw/layers/ws1.roads.json';
const FEATURE = {
  ...{
    workspace: 'ws1',
    name: 'roads',
    schema: 'ws1',
    data_schema: 'ws1_data',
    outdated_schema: 'ws1_outdated',
  },
  data: { file: 'borg@master:/data/roads.db', md5: '43B325AC4E89609DB0EDEB779483661E' },
};

describe('locate', () => {
  it('finds the kind of a path, its channel, and the file that an overlay belongs to', async () => {
    const kinds = await loadKinds();
    const found = (path: string): unknown[] => {
      const location = locate(path, kinds);
      return [location?.kind.name, location?.channel, location?.defaultAction, location?.base];
    };
    expect(found(ROADS)).to.deep.equal(['feature', 'dpaw', 'publish', ROADS]);
    expect(found('dpaw/layers/ws1.roads.meta.json')).to.deep.equal(['feature', 'dpaw', 'meta', ROADS]);
    expect(found('dpaw/layers.properties')).to.deep.equal([
      'access_rules',
      'dpaw',
      'publish',
      'dpaw/layers.properties',
    ]);
    expect(found('slave_roles.sql')).to.deep.equal(['auth', '', 'publish', 'slave_roles.sql']);
    for (const path of [
      'README',
      'a/slave_roles.sql',
      'layers.properties',
      'layers/x.json',
      'a/b/layers/x.json',
      '/layers/x.json',
    ])
      expect(locate(path, kinds), path).to.equal(undefined);
    const feature = kinds.find((kind) => kind.name === 'feature');
    expect(feature && overlayPath(ROADS, feature)).to.equal('dpaw/layers/ws1.roads.meta.json');
  });

  it('files at the root belong to every channel', () => {
    expect(isListened('slave_roles.sql', ['dpaw'])).to.equal(true);
    expect(isListened('dpaw/layers/x.json', ['dpaw'])).to.equal(true);
    expect(isListened('dpaw2/layers/x.json', ['dpaw'])).to.equal(false);
  });
});

describe('task files', () => {
  it('without an action publish, `.meta.json` files change metadata', async () => {
    expect((await parse(ROADS, '{}')).action).to.equal('publish');
    expect((await parse('dpaw/layers/a.meta.json', '{}')).action).to.equal('meta');
    expect((await parse(ROADS, '{"action":"remove"}')).action).to.equal('remove');
  });

  it('the oldest form becomes the present one', async () => {
    const spec = await specOf(ROADS, {
      ...{ ...FEATURE, data: undefined },
      ...{
        dump_path: 'borg@master:/x.tar',
        data_md5: '0'.repeat(32),
        style_path: 'borg@master:/x.sld',
        style_md5: '1'.repeat(32),
      },
      keywords: 'old, older;oldest,old',
    });
    expect(spec['data']).to.deep.equal({ file: 'borg@master:/x.tar', md5: '0'.repeat(32) });
    expect(spec['styles']).to.deep.equal({
      builtin: { file: 'borg@master:/x.sld', md5: '1'.repeat(32), default: true },
    });
    expect(spec['keywords']).to.deep.equal(['old', 'older', 'oldest']);
  });

  it('a box may be a list or a string of JSON; an md5 is compared in lower case', async () => {
    const box = { minx: 115, miny: -33, maxx: 116.6, maxy: -32 };
    expect((await specOf(ROADS, { ...FEATURE, bbox: '[115.0, -33.0, 116.6, -32.0]' }))['bbox']).to.deep.equal(
      box,
    );
    const spec = await specOf(ROADS, { ...FEATURE, bbox: [115, '-33', 116.6, -32] });
    expect(spec['bbox']).to.deep.equal(box);
    expect(spec['data']).to.include({ md5: '43b325ac4e89609db0edeb779483661e' });
  });

  it('unknown keys are ignored, missing and wrong ones are all named, with the file', async () => {
    await specOf(ROADS, { ...FEATURE, whatever: { deep: [1] } });
    const message = await refusal(specOf(ROADS, { name: 'roads', auth_level: 'x', data: { file: 'a' } }));
    expect(message).to.include(ROADS).and.include('workspace').and.include('auth_level').and.include('md5');
  });

  it('the three schemas have to be different ones', async () => {
    expect(await refusal(specOf(ROADS, { ...FEATURE, data_schema: 'ws1' }))).to.match(/different/);
  });

  it('long texts with many escapes are read; quotes and brackets in them mean nothing', async () => {
    const title = '["{\\'.repeat(500_000);
    const file = await parse(ROADS, JSON.stringify({ title, name: 'x\\' }));
    expect(file.content).to.deep.equal({ title, name: 'x\\' });
    expect(await refusal(parse(ROADS, String.raw`{"a\"":1,"\u0061\"":2}`))).to.match(/the key .* twice/);
  });

  it('a script of roles without NUL, a reference system with a number', async () => {
    expect(await refusal(specOf(ROADS, { ...FEATURE, crs: `EPSG:${'9'.repeat(10)}` }))).to.match(/crs/);
    const roles = async (text: string): Promise<Spec> => {
      const file = await parse('slave_roles.sql', text);
      return checkSpec(file.path, file.content, file.location.kind.actions['publish']!);
    };
    expect(await roles('SELECT 1;')).to.deep.equal({ text: 'SELECT 1;' });
    expect(await refusal(roles('SELECT 1;\0'))).to.match(/NUL/);
  });

  it('what is no JSON object, no UTF-8, or too long is refused', async () => {
    expect(await refusal(parse(ROADS, '{'))).to.match(/no valid JSON/);
    expect(await refusal(parse(ROADS, '"x"'))).to.match(/no JSON object/);
    expect(await refusal(parse(ROADS, Buffer.from([0x7b, 0xff, 0x7d])))).to.match(/UTF-8/);
    expect(await refusal(parse(ROADS, Buffer.alloc(11 * 1024 * 1024, 32)))).to.match(/bytes/);
    expect(await refusal(parse(ROADS, '{"action":"drop"}'))).to.match(/unknown action "drop".*publish/);
    expect(await refusal(parse(ROADS, '{"action":"constructor"}'))).to.match(/unknown action/);
    expect(await refusal(parse(ROADS, '{"meta":"x"}'))).to.match(/meta/);
  });
});
