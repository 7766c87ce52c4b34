import pg from 'pg';
import { WIDTHS } from './rows.js';

export const TABLES = ['monitor_slaveserver', 'monitor_publishsyncstatus', 'monitor_tasksyncstatus'] as const;
export type Table = (typeof TABLES)[number];

/** A table of the master's, quoted. */
export function tableName(schema: string, table: Table): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}

/**
 * The statement that makes one of the tables as borgcollector's Django models do, with their misspelled column names: a
 * borgcollector that comes later finds its own tables.
 */
export function createTable(schema: string, table: Table): string {
  return `CREATE TABLE IF NOT EXISTS ${tableName(schema, table)} (id serial PRIMARY KEY, ${columns(schema, table)})`;
}

function columns(schema: string, table: Table): string {
  const slaveServer = `slave_server_id integer NOT NULL
    REFERENCES ${tableName(schema, 'monitor_slaveserver')} (id) DEFERRABLE INITIALLY DEFERRED`;
  switch (table) {
    case 'monitor_slaveserver':
      return `
        name varchar(${WIDTHS.name}) NOT NULL,
        listen_channels varchar(${WIDTHS.listenChannels}) NOT NULL,
        register_time timestamptz,
        last_poll_time timestamptz,
        last_sync_time timestamptz,
        last_sync_message text,
        code_version varchar(${WIDTHS.codeVersion})`;
    case 'monitor_publishsyncstatus':
      return `
        ${slaveServer},
        publish varchar(255) NOT NULL,
        spatial_type varchar(${WIDTHS.spatialType}),
        deploied_job_id integer,
        deploied_job_batch_id varchar(${WIDTHS.jobBatchId}),
        deploy_message text,
        deploy_time timestamptz,
        preview_file varchar(${WIDTHS.previewFile}),
        sync_job_id integer,
        sync_job_batch_id varchar(${WIDTHS.jobBatchId}),
        sync_message text,
        sync_time timestamptz,
        UNIQUE (slave_server_id, publish)`;
    case 'monitor_tasksyncstatus':
      return `
        ${slaveServer},
        task_type varchar(255) NOT NULL,
        task_name varchar(255) NOT NULL,
        action varchar(32) NOT NULL,
        preview_file varchar(${WIDTHS.previewFile}),
        sync_succeed boolean NOT NULL,
        sync_message text,
        sync_time timestamptz,
        UNIQUE (slave_server_id, task_type, task_name, action)`;
  }
}
