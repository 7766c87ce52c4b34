import { statfs } from 'node:fs/promises';
import { AgentError } from '../lib/errors.js';
import type { ConnectionSettings } from './connections.js';
import { MAKE_ROOM } from './errors.js';
import type { DumpInfo } from './inspect.js';
import { isLocal, type Server } from './server.js';

/** Bytes of table and indexes per byte of dump; measured on points and polygons, compressed with -Z1 and not at all. */
const GROWTH: Readonly<Record<DumpInfo['format'], number>> = { custom: 4, tar: 2 };

/**
 * Throws a transient AgentError 'disk-full' when the dump surely won't fit on the server's disk. Looks only where the
 * server is on this machine and says where its data are.
 */
export async function checkFreeSpace(
  settings: Pick<ConnectionSettings, 'host'>,
  { dataDirectory }: Pick<Server, 'dataDirectory'>,
  info: Pick<DumpInfo, 'size' | 'format'>,
): Promise<void> {
  if (dataDirectory === undefined || !isLocal(settings)) return;
  const disk = await statfs(dataDirectory).catch(() => undefined); // another container, or not readable
  if (!disk) return;
  const free = disk.bavail * disk.bsize;
  const needed = info.size * GROWTH[info.format];
  if (free >= needed) return;
  throw new AgentError(
    'disk-full',
    `The dump needs about ${megabytes(needed)} MB in ${dataDirectory}; ${megabytes(free)} MB are free.`,
    { retry: 'transient', hint: MAKE_ROOM },
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
