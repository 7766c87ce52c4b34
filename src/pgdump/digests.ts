import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
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
  let position = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    const bytes = chunk as Buffer;
    md5.update(bytes);
    for (const { offset, length } of volatileRanges) {
      const start = Math.max(offset - position, 0);
      const end = Math.min(offset + length - position, bytes.length);
      if (start < end) bytes.fill(0, start, end);
    }
    position += bytes.length;
    key.update(bytes);
  }
  return { md5: md5.digest('hex'), contentKey: key.digest('hex') };
}
