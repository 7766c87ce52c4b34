import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const PIECE = 1024 * 1024;

/**
 * Hex MD5 and size of a file, read in pieces: a dump of gigabytes takes no more memory than a small one. Rejects with the
 * signal's reason when that is aborted.
 */
export async function md5File(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly md5: string; readonly bytes: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), PIECE));
    const hash = createHash('md5');
    let bytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, bytes);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    return { md5: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}
