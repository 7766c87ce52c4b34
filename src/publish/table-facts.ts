import { userInfo } from 'node:os';
import { Secret } from '../lib/secret.js';
import { Database } from '../pgdump/database.js';
import type { PublishDeps } from './options.js';

/**
 * What a meta file says of a table, read from the master's database: `crs`, `spatial_type`, `spatial_column` and the
 * exact bounding box in degrees. A table without geometry is `spatial_data: false`.
 * @param env the usual PG* variables
 */
export async function tableFacts(
  table: { readonly schema: string; readonly name: string },
  env: NodeJS.ProcessEnv,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const database = new Database(settingsOf(env), deps);
  try {
    const [geometry] = (await database.describeRelation(table, signal)).geometryColumns;
    if (!geometry) return { spatial_data: false };
    const extent = await database.extentOf({ ...table, column: geometry.name }, signal);
    const box = extent?.latLon;
    return {
      spatial_data: true,
      spatial_type: geometry.type,
      spatial_column: geometry.name,
      // Numbers from 900000 on are made up for systems that EPSG does not know.
      ...(geometry.srid > 0 && geometry.srid < 900_000 ? { crs: `EPSG:${geometry.srid}` } : {}),
      // Text that holds a list: what borgcollector writes.
      ...(box ? { bbox: `[${[box.minX, box.minY, box.maxX, box.maxY].join(', ')}]` } : {}),
    };
  } finally {
    await database.close();
  }
}

function settingsOf(env: NodeJS.ProcessEnv) {
  const user = env['PGUSER'] ?? userInfo().username;
  return {
    // Where libpq looks when nothing is said.
    host: env['PGHOST'] ?? '/var/run/postgresql',
    port: Number(env['PGPORT'] ?? 5432),
    database: env['PGDATABASE'] ?? user,
    user,
    password: env['PGPASSWORD'] === undefined ? undefined : new Secret(env['PGPASSWORD']),
    maxConnections: 1,
  };
}
