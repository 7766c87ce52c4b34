import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTable, md5, publish, styleFile, taskFile } from '../e2e/master.js';
import type { Rig } from '../support/rig.js';

export const SCENARIOS = ['first', 'update', 'removal', 'mixed'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What is published before and after every scenario but the first, and how many rows it may have meanwhile. */
export const KEPT = { view: 'ws1.kept', layer: 'ws1:kept', counts: [1_000, 1_200] } as const;

const GROUP = 'dpaw/layergroups/ws1.all.json';
const WMS_LAYER = 'dpaw/wms_layers/wstore.src_a.json';

/** What a scenario finds published: features, one of them large, and one of each other kind. */
export async function publishAll(rig: Rig, remoteWms: string): Promise<void> {
  await makeTable(rig, 'kept', 1_000);
  await makeTable(rig, 'large', 20_000);
  await makeTable(rig, 'gone', 10);
  await makeTable(rig, 'live', 10, 'live');
  await publish(rig, 'workspace', 'ws1');
  for (const name of ['kept', 'large', 'gone']) await publishFeature(rig, name, '#ff0000');
  const { host, port, name, user, password } = rig.masterDatabase;
  await rig.commit({
    [GROUP]: group('First', ['kept', 'gone']),
    'dpaw/wms_stores/ws1.wstore.json': await withMeta(rig, 'wstore', {
      name: 'wstore',
      capability_url: remoteWms,
    }),
    [WMS_LAYER]: await withMeta(rig, 'wms_a', {
      ...{ name: 'wms_a', native_name: 'src_a', store: 'wstore', title: 'A' },
    }),
    'dpaw/live_stores/ws1.livedb.json': await withMeta(rig, 'livedb', {
      ...{ name: 'livedb', host, port, database: name, user, passwd: password, schema: 'live_data' },
    }),
    'dpaw/live_layers/ws1.live_e.json': await withMeta(rig, 'live_e', {
      ...{ name: 'live_e', datastore: 'livedb', table: 'live', schema: 'live_data', title: 'Live' },
      ...{ bbox: [115, -33, 116.6, -32], crs: 'EPSG:4326', styles: {} },
    }),
    'dpaw/layers.properties': '*.*.r=*\n',
  });
}

/** What the master then does; `first` is nothing more. */
export async function change(rig: Rig, scenario: Scenario): Promise<void> {
  switch (scenario) {
    case 'first':
      return;
    case 'update':
      await setRows(rig, 'kept', 1_200);
      await rig.masterDatabase.query(
        `ALTER TABLE ws1_data.large DROP COLUMN IF EXISTS name, ADD COLUMN length int DEFAULT 7`,
      );
      await publishFeature(rig, 'kept', '#0000ff');
      await publishFeature(rig, 'large', '#0000ff');
      await rig.commit({
        [GROUP]: group('Second', ['gone', 'kept']),
        'dpaw/layers.properties': '*.*.r=*\nws1.*.r=X\n',
      });
      return;
    case 'removal':
      await rig.commit({ [taskFile('gone')]: null, [WMS_LAYER]: null, [GROUP]: group('First', ['kept']) });
      return;
    case 'mixed':
      await setRows(rig, 'kept', 1_200);
      await makeTable(rig, 'fresh', 50);
      await publishFeature(rig, 'kept', '#00ff00');
      await publishFeature(rig, 'fresh', '#00ff00');
      await rig.commit({ [taskFile('gone')]: null, [GROUP]: group('Mixed', ['fresh', 'kept']) });
  }
}

async function publishFeature(rig: Rig, name: string, colour: string): Promise<void> {
  await publish(rig, 'feature', 'ws1', name, '--style', `builtin=${await styleFile(colour)}`);
}

async function setRows(rig: Rig, name: string, rows: number): Promise<void> {
  await rig.masterDatabase.query(`DELETE FROM ws1_data."${name}"`);
  await rig.masterDatabase.query(
    `INSERT INTO ws1_data."${name}" (name, wkb_geometry)
     SELECT 'm' || i, ST_SetSRID(ST_MakePoint(115 + i / 100.0, -32), 4326) FROM generate_series(1, ${rows}) i`,
  );
}

function group(title: string, layers: readonly string[]): string {
  return JSON.stringify({
    ...{ name: 'all', workspace: 'ws1', channel: 'dpaw', title, abstract: title, srs: 'EPSG:4326' },
    layers: layers.map((name) => ({ type: 'publish', name, workspace: 'ws1' })),
  });
}

/** A task file that refers to a meta file, as the master writes them. */
async function withMeta(rig: Rig, name: string, meta: Readonly<Record<string, unknown>>): Promise<string> {
  const common = { workspace: 'ws1', channel: 'dpaw', auth_level: 1 };
  const content = JSON.stringify({ ...common, ...meta });
  const file = join(rig.dataRoot, `${name}.meta.json`);
  await writeFile(file, content);
  return JSON.stringify({ action: 'publish', meta: { file: rig.remote + file, md5: md5(content) } });
}
