import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import type { Connections, ConnectionSettings } from './connections.js';
import type { Server } from './server.js';
import type { ToolPlaces } from './tools.js';

/** What the steps of one database share. */
export interface DatabaseContext {
  readonly settings: ConnectionSettings;
  readonly connections: Connections;
  readonly places: ToolPlaces;
  readonly log: Logger;
  readonly clock: Clock;
  /** Milliseconds that a swap may wait for readers. */
  readonly lockWaitMs: number;
  /** Milliseconds for a restore, and for a statement that reads a whole table. */
  readonly restoreTimeoutMs: number;
  /** What this run has seen of the database, and need not ask again for each table. */
  readonly seen: { isInstalled?: boolean; server?: Server };
}

/** 'created' | 'updated' when something was done, 'unchanged' when it was right already. */
export type Change = 'created' | 'updated' | 'unchanged';
