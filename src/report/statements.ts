import { tableName } from './tables.js';
import { cut, WIDTHS, type LayerEntry, type SlaveEntry, type TaskEntry } from './rows.js';
import type { SlaveIdentity } from './types.js';

/** One statement with its parameters. */
export type Statement = readonly [sql: string, params: readonly unknown[]];

/**
 * The statements that write the master's tables. Those for rows take any number of them at once, as one JSON parameter:
 * a new slave has thousands, and the master may be far away.
 */

/** The slave's row, by name. The name is unique by agreement only, so the oldest counts. */
export function findSlave(schema: string, { name }: SlaveIdentity): Statement {
  return [
    `SELECT min(id) AS id FROM ${tableName(schema, 'monitor_slaveserver')} WHERE name = $1`,
    [cut(name, WIDTHS.name)],
  ];
}

export function registerSlave(schema: string, slave: SlaveIdentity, now: Date): Statement {
  return [
    `INSERT INTO ${tableName(schema, 'monitor_slaveserver')} (name, register_time, listen_channels, code_version)
     VALUES ($1, $2, $3, $4) RETURNING id`,
    [cut(slave.name, WIDTHS.name), now.toISOString(), ...described(slave)],
  ];
}

export function updateSlave(
  schema: string,
  slaveId: number,
  slave: SlaveIdentity,
  event: 'poll' | 'sync',
  { time, message }: SlaveEntry,
): Statement {
  const column = event === 'poll' ? 'last_poll_time' : 'last_sync_time';
  return [
    `UPDATE ${tableName(schema, 'monitor_slaveserver')} SET listen_channels = $2, code_version = $3,
       ${column} = $4, last_sync_message = coalesce($5, last_sync_message) WHERE id = $1`,
    [slaveId, ...described(slave), time, message ?? null],
  ];
}

export interface LayerRow {
  readonly publish: string;
  readonly entry: LayerEntry;
}

/** What is deployed is left as it is where this slave only knows of a failure. */
export function upsertLayers(schema: string, slaveId: number, rows: readonly LayerRow[]): Statement {
  const table = tableName(schema, 'monitor_publishsyncstatus');
  const given = rows.map(({ publish, entry: { spatialType, deployed, failed } }) => ({
    publish,
    spatial_type: spatialType,
    deploied_job_id: deployed?.jobId,
    deploied_job_batch_id: deployed?.jobBatchId,
    deploy_message: deployed?.text,
    deploy_time: deployed?.time,
    preview_file: deployed?.previewFile,
    sync_job_id: failed?.jobId,
    sync_job_batch_id: failed?.jobBatchId,
    sync_message: failed?.text,
    sync_time: failed?.time,
  }));
  const whenDeployed = (column: string): string =>
    `${column} = CASE WHEN excluded.deploy_time IS NULL THEN old.${column} ELSE excluded.${column} END`;
  return [
    `INSERT INTO ${table} AS old (slave_server_id, publish, spatial_type, deploied_job_id, deploied_job_batch_id,
       deploy_message, deploy_time, preview_file, sync_job_id, sync_job_batch_id, sync_message, sync_time)
     SELECT $1::integer, * FROM json_to_recordset($2::json) AS given (publish text, spatial_type text, deploied_job_id integer,
       deploied_job_batch_id text, deploy_message text, deploy_time timestamptz, preview_file text,
       sync_job_id integer, sync_job_batch_id text, sync_message text, sync_time timestamptz)
     ON CONFLICT (slave_server_id, publish) DO UPDATE SET
       spatial_type = coalesce(excluded.spatial_type, old.spatial_type),
       ${['deploied_job_id', 'deploied_job_batch_id', 'deploy_message', 'preview_file', 'deploy_time'].map(whenDeployed).join(', ')},
       sync_job_id = excluded.sync_job_id, sync_job_batch_id = excluded.sync_job_batch_id,
       sync_message = excluded.sync_message, sync_time = excluded.sync_time`,
    [slaveId, JSON.stringify(given)],
  ];
}

export function deleteLayers(schema: string, slaveId: number, publishes: readonly string[]): Statement {
  return [
    `DELETE FROM ${tableName(schema, 'monitor_publishsyncstatus')}
     WHERE slave_server_id = $1 AND publish = ANY ($2::text[])`,
    [slaveId, [...publishes]],
  ];
}

export interface TaskRow {
  readonly type: string;
  readonly name: string;
  readonly action: string;
  readonly entry: TaskEntry;
}

export function upsertTasks(schema: string, slaveId: number, rows: readonly TaskRow[]): Statement {
  const table = tableName(schema, 'monitor_tasksyncstatus');
  const given = rows.map(({ type, name, action, entry }) => ({
    task_type: type,
    task_name: name,
    action,
    preview_file: entry.previewFile,
    sync_succeed: entry.succeeded,
    sync_message: entry.text,
    sync_time: entry.time,
  }));
  return [
    `INSERT INTO ${table} (slave_server_id, task_type, task_name, action, preview_file, sync_succeed, sync_message,
       sync_time)
     SELECT $1::integer, * FROM json_to_recordset($2::json) AS given (task_type text, task_name text, action text,
       preview_file text, sync_succeed boolean, sync_message text, sync_time timestamptz)
     ON CONFLICT (slave_server_id, task_type, task_name, action) DO UPDATE SET
       preview_file = excluded.preview_file, sync_succeed = excluded.sync_succeed,
       sync_message = excluded.sync_message, sync_time = excluded.sync_time`,
    [slaveId, JSON.stringify(given)],
  ];
}

function described({ channels, codeVersion }: SlaveIdentity): [string, string] {
  return [cut(channels.join(','), WIDTHS.listenChannels), cut(codeVersion, WIDTHS.codeVersion)];
}
