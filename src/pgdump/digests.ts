import { createHash } from 'node:crypto';
import { forEachPiece } from '../lib/pieces.js';
import type { ByteRange } from './inspect.js';

export interface Digests {
  /** Hex MD5 of the file as it is. */
  readonly md5: string;
  /** SHA-256 of the file with the given ranges as zeros: equal for two dumps of an untouched table. */
  readonly contentKey: string;
}

/** Reads a dump once for both digests. Ranges must be in order and must not overlap. */
export async function digestsOf(
  path: string,
  volatileRanges: readonly ByteRange[],
  signal: AbortSignal,
): Promise<Digests> {
  const md5 = createHash('md5');
  const key = createHash('sha256');
  const add = (piece: Buffer, position: number): void => {
    md5.update(piece);
    for (const { offset, length } of volatileRanges) {
      const start = Math.max(offset - position, 0);
      const end = Math.min(offset + length - position, piece.length);
      if (start < end) piece.fill(0, start, end);
    }
    key.update(piece);
  };
  await forEachPiece(path, add, signal);
  return { md5: md5.digest('hex'), contentKey: key.digest('hex') };
}
