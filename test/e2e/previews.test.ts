import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Fault, Recorded } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { statusOf, succeeds, taskFile } from './master.js';

const NAMES = ['fine', 'blank', 'failing', 'old', 'gone', 'damaged'];

/** Maps that GeoServer cannot draw, or draws without anything on them; see also tiles-previews-cdn.test.ts. */
describe('previews that do not come out well', function () {
  this.timeout(240_000);
  let rig: Rig;
  let faults: Fault[];

  before(async function () {
    rig = await makeRig({ env: { ON_FAILURE: 'accept' } });
    const { standIn } = rig.geoserver;
    if (standIn === undefined) this.skip();
    ({ faults } = standIn);
    succeeds(await rig.cli('init'));
  });
  after(() => rig.close());

  const feature = (name: string): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: 'ws1', name, styles: { builtin: pointStyle(name) } },
      meta: { preview_path: `${rig.remote}${rig.dataRoot}/previews` },
    });
  const onMaster = (name: string): string => join(rig.dataRoot, 'previews/rig/dpaw/ws1', `${name}.png`);
  const mapOf =
    (name: string) =>
    ({ path }: Recorded): boolean =>
      path.startsWith('/ows?') && path.includes(`layers=ws1%3A${name}&`);
  const answers = (name: string, type: string, body: string | Buffer): void =>
    void faults.push({ kind: 'reply', applies: mapOf(name), reply: { status: 200, type, body } });
  const report = (code: string, words: string): string =>
    `<?xml version="1.0" encoding="UTF-8"?><ServiceExceptionReport version="1.1.1"><ServiceException${code}>\n      ${words}\n</ServiceException></ServiceExceptionReport>`;

  it('are told apart: an image of one colour is sent with a warning, an error that comes as 200 is none', async () => {
    const blank = new PNG({ width: 480, height: 278 });
    blank.data.fill(0xff);
    answers('blank', 'image/png', PNG.sync.write(blank));
    const json = { version: '1.1.0', exceptions: [{ code: 'internalError', text: 'Rendering <failed>' }] };
    answers('failing', 'application/json', JSON.stringify(json));
    const xml = 'application/vnd.ogc.se_xml;charset=utf-8';
    answers('old', xml, report('', 'This request used more time than allowed &amp; was stopped.'));
    answers('gone', xml, report(' code="LayerNotDefined" locator="layers"', 'Could not find layer'));
    answers('damaged', 'image/png', Buffer.from('no picture'));
    const files = workspaceFiles('ws1');
    for (const name of NAMES) Object.assign(files, await feature(name));
    await rig.commit(files);
    const { stdout } = succeeds(await rig.pull());
    expect(stdout).to.match(/3 done, 4 failed/);

    const status = await statusOf(rig);
    const row = (name: string) => status.get(taskFile(name));
    expect(row('fine')?.state).to.equal('done');
    expect(row('fine')?.remark).to.equal(undefined);
    expect(row('blank')?.state).to.equal('done');
    expect(row('blank')?.remark).to.match(/one colour/);
    for (const name of ['fine', 'blank']) expect(existsSync(onMaster(name)), name).to.equal(true);
    const said: Readonly<Record<string, readonly [reason: string, words: string]>> = {
      failing: ['http-status', 'map of ws1:failing: Rendering <failed>'],
      old: ['http-status', 'map of ws1:old: This request used more time than allowed & was stopped.'],
      gone: ['not-published-yet', 'map of ws1:gone: Could not find layer'],
      damaged: ['invalid-data', 'the image is damaged'],
    };
    for (const [name, [reason, words]] of Object.entries(said)) {
      expect(row(name)?.failure, name).to.include({ reason, retry: 'transient' });
      expect(row(name)?.failure?.message).to.include(words);
      expect(existsSync(onMaster(name)), name).to.equal(false);
    }
  });

  it('are drawn again when GeoServer can, and nothing else is done again', async () => {
    const { standIn } = rig.geoserver;
    faults.length = 0;
    if (standIn !== undefined) standIn.requests.length = 0;
    succeeds(await rig.cli('sync'));
    for (const name of NAMES) {
      expect((await statusOf(rig)).get(taskFile(name))?.state, name).to.equal('done');
      if (name !== 'blank') expect(colours(await readFile(onMaster(name))), name).to.be.greaterThan(1);
    }
    const writes = standIn?.requests.filter(({ method }) => method !== 'GET').map(({ path }) => path);
    expect(writes).to.deep.equal([]);
  });
});

function colours(png: Buffer): number {
  const { data } = PNG.sync.read(png);
  return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.readUInt32BE(i * 4))).size;
}
