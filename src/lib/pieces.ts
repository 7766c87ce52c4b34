import { open } from 'node:fs/promises';

const PIECE = 1024 * 1024;

/**
 * Hands a file to `take` piece by piece, in one buffer that is used again for each: a dump of gigabytes takes no more memory
 * than a small one, whenever the garbage is collected. Returns the size in bytes. Rejects with the signal's reason when that is aborted.
 */
export async function forEachPiece(
  path: string,
  take: (piece: Buffer, offset: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), PIECE));
    let offset = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) return offset;
      take(buffer.subarray(0, bytesRead), offset);
      offset += bytesRead;
    }
  } finally {
    await file.close();
  }
}
