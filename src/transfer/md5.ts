import { createHash } from 'node:crypto';
import { forEachPiece } from '../lib/pieces.js';

/** Hex MD5 and size of a file. Rejects with the signal's reason when that is aborted. */
export async function md5File(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly md5: string; readonly bytes: number }> {
  const hash = createHash('md5');
  const bytes = await forEachPiece(path, (piece) => hash.update(piece), signal);
  return { md5: hash.digest('hex'), bytes };
}
