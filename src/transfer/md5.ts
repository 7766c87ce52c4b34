import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Hex MD5 and size of a file, read in pieces: a dump of gigabytes takes no more memory than a small one. */
export async function md5File(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly md5: string; readonly bytes: number }> {
  const hash = createHash('md5');
  let bytes = 0;
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal ? { signal } : {}) });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { md5: hash.digest('hex'), bytes };
}
