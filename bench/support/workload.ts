import { startRemoteWms, type RemoteWms } from '../../test/support/geoserver/remote-wms.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../../test/support/master.js';
import type { Rig } from '../../test/support/rig.js';

export const WORKSPACE = 'slave_sync_bench';
export const POINTS = 2_000;
export const WMS_STORE = 'remote';

export interface Workload {
  readonly files: TaskFiles;
  readonly features: readonly string[];
  readonly wmsLayers: readonly string[];
  /** Group name -> its members. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly remoteWms: RemoteWms;
}

export interface WorkloadSize {
  readonly features: number;
  readonly wmsLayers: number;
  readonly groups: number;
}

/** A workspace with features (dump, meta file, style, preview), cascaded WMS layers and groups, as a master commits them. */
export async function makeWorkload(master: Rig, size: WorkloadSize): Promise<Workload> {
  const features = numbered('feature', size.features);
  const wmsLayers = numbered('wms', size.wmsLayers);
  const remoteWms = await startRemoteWms(...wmsLayers);
  const preview = { preview_path: `${master.remote}${master.dataRoot}/previews` };
  const bbox = '[114.0, -35.0, 128.0, -16.0]';
  const cached = {
    geoserver_setting: { create_cache_layer: true, client_cache_expire: 0, server_cache_expire: 0 },
  };
  const files: TaskFiles = workspaceFiles(WORKSPACE);
  for (const name of features)
    Object.assign(
      files,
      await featureFiles(master, {
        workspace: WORKSPACE,
        name,
        rows: `SELECT id, 'name ' || id AS name,
          ST_SetSRID(ST_Point(114 + id % 15, -35 + id % 20), 4326)::geometry(Point, 4326) AS wkb_geometry
          FROM generate_series(1, ${POINTS}) AS id`,
        styles: { builtin: pointStyle(name) },
        meta: { ...preview, bbox },
      }),
    );
  const withMeta = async (folder: string, name: string, meta: object): Promise<void> => {
    const path = `${folder}/${WORKSPACE}.${name}.meta.json`;
    const common = { workspace: WORKSPACE, name, channel: 'dpaw', sync_geoserver_data: true };
    const task = {
      action: 'publish',
      meta: await master.store(path, JSON.stringify({ ...common, ...meta })),
    };
    files[`dpaw/${folder}/${WORKSPACE}.${name}.json`] = JSON.stringify(task);
  };
  const described = (name: string): object => ({
    title: `Title of ${name}`,
    abstract: `Abstract of ${name}`,
    auth_level: 1,
  });
  if (wmsLayers.length > 0) await withMeta('wms_stores', WMS_STORE, { capability_url: remoteWms.url });
  for (const name of wmsLayers)
    await withMeta('wms_layers', name, {
      ...described(name),
      store: WMS_STORE,
      native_name: name,
      ...preview,
      bbox,
      ...cached,
    });
  const groups = Object.fromEntries(
    numbered('group', size.groups).map((group, i) => [
      group,
      [features[i]!, features[i + 1]!, wmsLayers[i]!],
    ]),
  );
  for (const [name, members] of Object.entries(groups)) {
    const layers = members.map((member) => ({
      type: wmsLayers.includes(member) ? 'wms_layer' : 'publish',
      name: member,
      workspace: WORKSPACE,
    }));
    const task = { action: 'publish', workspace: WORKSPACE, name, channel: 'dpaw', layers, srs: 'EPSG:4326' };
    files[`dpaw/layergroups/${WORKSPACE}.${name}.json`] = JSON.stringify({
      ...task,
      ...described(name),
      ...preview,
      ...cached,
    });
  }
  return { files, features, wmsLayers, groups, remoteWms };
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}_${String(i + 1).padStart(2, '0')}`);
}

/** Task files of features with everything in them, as before there were meta files; `version` makes other contents. */
export function inlineFiles(count: number, version = 1): TaskFiles {
  const schemas = { schema: 's', data_schema: 'd', outdated_schema: 'o' };
  const data = { file: 'borg@master:/data/dump.db', md5: '0'.repeat(32) };
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const name = `feature_${String(i + 1).padStart(5, '0')}`;
      const described = { title: `Title of ${name}`, abstract: `Abstract of ${name}. `.repeat(20), version };
      const task = { action: 'publish', workspace: WORKSPACE, name, channel: 'dpaw', auth_level: 1 };
      return [
        `dpaw/layers/${WORKSPACE}.${name}.json`,
        JSON.stringify({ ...task, ...described, ...schemas, data }),
      ];
    }),
  );
}
