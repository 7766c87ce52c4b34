import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import { Connections, type ConnectionSettings } from './connections.js';
import type { Change, DatabaseContext } from './context.js';
import type { TableAddress } from './names.js';
import { publishTable, type PublishedTable, type PublishRequest } from './publish.js';
import { describeRelation, extentOf, type Extent, type ExtentSource, type RelationInfo } from './relation.js';
import { referencingTables } from './referencing.js';
import { removeTable } from './remove.js';
import { ensureExtension, ensureSchemas, type SchemasRequest } from './schemas.js';
import { runScript, type ScriptRequest } from './script.js';

export type { Change } from './context.js';
export type { TableAddress } from './names.js';
export type { PublishedTable, PublishRequest } from './publish.js';
export type { Box, Column, Extent, ExtentSource, GeometryColumn, RelationInfo } from './relation.js';
export type { SchemasRequest } from './schemas.js';
export type { ScriptRequest } from './script.js';

export interface DatabaseSettings extends ConnectionSettings {
  /** Where pg_restore is; by default the fitting one of /usr/lib/postgresql/<version>/bin, else of the PATH. */
  readonly pgBinDir?: string;
  /** Connections of this agent, one for each table that is published at the same time; 4 unless said otherwise. */
  readonly maxConnections?: number;
  /** Milliseconds that an exchange may wait for readers of the old table; 60 s unless said otherwise. */
  readonly lockWaitMs?: number;
  /** Milliseconds for one restore; 4 h unless said otherwise. */
  readonly restoreTimeoutMs?: number;
}

/** The slave's database: every change it can be asked for, each safe to be asked for again. */
export class Database {
  /** The target's name in the record: host, port and database, without credentials. */
  readonly id: string;
  readonly #context: DatabaseContext;

  constructor(settings: DatabaseSettings, deps: { readonly log: Logger; readonly clock: Clock }) {
    this.id = `postgres://${settings.host}:${settings.port}/${encodeURIComponent(settings.database)}`;
    this.#context = {
      settings,
      connections: new Connections(settings, { max: settings.maxConnections ?? 4, log: deps.log }),
      places: { pgBinDir: settings.pgBinDir },
      log: deps.log,
      clock: deps.clock,
      lockWaitMs: settings.lockWaitMs ?? 60_000,
      restoreTimeoutMs: settings.restoreTimeoutMs ?? 4 * 3_600_000,
      seen: {},
    };
  }

  /** Installs PostGIS where it is missing. */
  ensureExtension(signal: AbortSignal): Promise<Change> {
    return ensureExtension(this.#context, signal);
  }

  /** The three schemas of a workspace, and who may read its views. */
  ensureSchemas(request: SchemasRequest, signal: AbortSignal): Promise<Change> {
    return ensureSchemas(this.#context, request, signal);
  }

  /** Restores a dump beside the live table and exchanges the two. The schemas must exist. */
  publishTable(request: PublishRequest, signal: AbortSignal): Promise<PublishedTable> {
    return publishTable(this.#context, request, signal);
  }

  /** Removes access view and table; 'unchanged' when there were none. */
  removeTable(address: TableAddress, signal: AbortSignal): Promise<Change> {
    return removeTable(this.#context, address, signal);
  }

  /** Other tables with a foreign key to this one. */
  referencingTables(
    address: TableAddress,
    signal: AbortSignal,
  ): Promise<{ readonly schema: string; readonly table: string }[]> {
    return referencingTables(this.#context, address, signal);
  }

  /** Columns and geometry columns of a table or view. */
  describeRelation(
    relation: { readonly schema: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<RelationInfo> {
    return describeRelation(this.#context, relation, signal);
  }

  /** The bounding box of a geometry column; undefined when there is no geometry. */
  extentOf(source: ExtentSource, signal: AbortSignal): Promise<Extent | undefined> {
    return extentOf(this.#context, source, signal);
  }

  /** Runs an SQL script in one transaction, where asked for in another database or as another user. */
  runScript(request: ScriptRequest, signal: AbortSignal): Promise<void> {
    return runScript(this.#context, request, signal);
  }

  /** Waits for connections in use, then closes all. */
  close(): Promise<void> {
    return this.#context.connections.close();
  }
}
