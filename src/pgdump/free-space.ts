import { statfs } from 'node:fs/promises';
import { AgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';
import type { DumpInfo } from './inspect.js';

/** Bytes of table and indexes per byte of dump; measured on points and polygons, compressed with -Z1 and not at all. */
const GROWTH: Readonly<Record<DumpInfo['format'], number>> = { custom: 4, tar: 2 };
const LOCAL = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * Throws a transient AgentError 'disk-full' when the dump surely won't fit on the server's disk. Looks only where the
 * server is on this machine and says where its data are, which it tells superusers and members of pg_read_all_settings.
 */
export async function checkFreeSpace(
  context: DatabaseContext,
  session: Session,
  info: DumpInfo,
): Promise<void> {
  const { host } = context.settings;
  if (!LOCAL.has(host) && !host.startsWith('/')) return;
  const { path } = await session.one<{ path: string | null }>(
    `SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS path`,
  );
  if (path === null) return;
  const disk = await statfs(path).catch(() => undefined); // another container, or not readable
  if (!disk) return;
  const free = disk.bavail * disk.bsize;
  const needed = info.size * GROWTH[info.format];
  if (free >= needed) return;
  throw new AgentError(
    'disk-full',
    `The dump needs about ${megabytes(needed)} MB in ${path}; ${megabytes(free)} MB are free.`,
    { retry: 'transient', hint: 'Make room on the disk of the database.' },
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
