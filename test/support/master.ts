import { join } from 'node:path';
import { run } from '../../src/lib/process.js';
import { postgres } from './postgres.js';
import type { Rig } from './rig.js';
import { tempDir } from './temp.js';

/** Files of the state repository, as `rig.commit` takes them. */
export type TaskFiles = Record<string, string>;

export interface FeatureOptions {
  readonly workspace: string;
  readonly name: string;
  /** The SELECT that gives the table's rows; three points unless said otherwise. */
  readonly rows?: string;
  /** Style name -> SLD; the first is the default. */
  readonly styles?: Readonly<Record<string, string | Buffer>>;
  /** More keys of the meta file, or others. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** More keys of the task file, or others. */
  readonly task?: Readonly<Record<string, unknown>>;
  readonly channel?: string;
}

const THREE_POINTS = `SELECT id, 'name ' || id AS name, ST_SetSRID(ST_Point(114 + id, -32), 4326) AS wkb_geometry
  FROM generate_series(1, 3) AS id`;

/**
 * What a master commits for a workspace, without going through `slave-sync publish`, so that a test can bend any key and
 * put several jobs into one commit.
 */
export function workspaceFiles(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
  channel = 'dpaw',
): TaskFiles {
  const task = { channel, action: 'publish', auth_level: 1, ...schemas(name), ...more };
  return { [`${channel}/workspaces/${name}.json`]: JSON.stringify(task) };
}

/** What a master commits for a feature: makes the table in the master's database anew, dumps it, writes meta file and styles. */
export async function featureFiles(rig: Rig, options: FeatureOptions): Promise<TaskFiles> {
  const { workspace, name, channel = 'dpaw' } = options;
  const folder = `full_data/${channel}/${workspace}`;
  const data = await rig.storeFile(`${folder}/${name}.db`, await dump(rig, options));
  const styles: Record<string, unknown> = {};
  for (const [style, sld] of Object.entries(options.styles ?? {}))
    styles[style] = {
      ...(await rig.store(`${folder}/${name}.${style}.sld`, sld)),
      default: Object.keys(styles).length === 0,
    };
  const meta = await rig.store(
    `${folder}/${name}.meta.json`,
    JSON.stringify({
      ...{
        workspace,
        name,
        channel,
        title: `Title of ${name}`,
        abstract: `Abstract of ${name}`,
        keywords: [],
      },
      ...{ auth_level: 1, spatial_data: true, sync_postgres_data: true, sync_geoserver_data: true },
      ...{ ...schemas(workspace), styles, crs: 'EPSG:4326', spatial_column: 'wkb_geometry' },
      ...{ geoserver_setting: { create_cache_layer: true, client_cache_expire: 0, server_cache_expire: 0 } },
      ...options.meta,
    }),
  );
  const task = { action: 'publish', job_id: 1, job_batch_id: 'B1', data, meta, ...options.task };
  return { [`${channel}/layers/${workspace}.${name}.json`]: JSON.stringify(task) };
}

/** An SLD 1.0 that draws points, with this title. */
export function pointStyle(title: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld"><NamedLayer><Name>point</Name><UserStyle>
<Title>${title}</Title><FeatureTypeStyle><Rule><PointSymbolizer><Graphic><Mark/></Graphic></PointSymbolizer></Rule></FeatureTypeStyle>
</UserStyle></NamedLayer></StyledLayerDescriptor>
`;
}

function schemas(workspace: string): Record<string, string> {
  return { schema: workspace, data_schema: `${workspace}_data`, outdated_schema: `${workspace}_outdated` };
}

async function dump(rig: Rig, { workspace, name, rows = THREE_POINTS }: FeatureOptions): Promise<string> {
  const database = rig.masterDatabase;
  const table = `"${workspace}_data"."${name}"`;
  await database.query(
    `CREATE SCHEMA IF NOT EXISTS "${workspace}_data"; DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} AS ${rows}`,
  );
  const file = join(await tempDir('dump'), 'dump');
  const args = ['--format=custom', '--compress=1', `--table=${table}`, `--file=${file}`];
  await run(join((await postgres()).binDir, 'pg_dump'), args, {
    env: {
      PGHOST: database.host,
      PGPORT: String(database.port),
      PGUSER: database.user,
      PGPASSWORD: database.password,
      PGDATABASE: database.name,
    },
  });
  return file;
}
