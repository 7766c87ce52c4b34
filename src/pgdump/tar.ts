import type { FileHandle } from 'node:fs/promises';
import { damaged } from './archive.js';

export interface TarMember {
  readonly name: string;
  /** Where its 512-byte header starts; the data follow it. */
  readonly headerOffset: number;
  readonly dataOffset: number;
  readonly size: number;
}

const BLOCK = 512;
const MAX_MEMBERS = 100_000;

/**
 * Walks the headers of a tar archive to its two closing zero blocks. Throws AgentError 'invalid-data' when a header is
 * damaged or the file ends too early or too late: pg_restore itself takes a tar that was cut between two rows for whole.
 */
export async function readTar(file: FileHandle, fileSize: number): Promise<TarMember[]> {
  const members: TarMember[] = [];
  let offset = 0;
  for (;;) {
    const header = await readBlock(file, offset);
    if (header.every((byte) => byte === 0)) break;
    const size = octal(header, 124, 12);
    if (checksum(header) !== octal(header, 148, 8)) throw damaged(`a bad tar header at byte ${offset}`);
    const dataOffset = offset + BLOCK;
    const name = text(header, 0, 100);
    members.push({ name, headerOffset: offset, dataOffset, size });
    offset = dataOffset + Math.ceil(size / BLOCK) * BLOCK;
    if (offset > fileSize) throw damaged(`it was cut: ${name} should end at byte ${dataOffset + size}`);
    if (members.length > MAX_MEMBERS) throw damaged('too many tar members');
  }
  const second = await readBlock(file, offset + BLOCK);
  if (second.some((byte) => byte !== 0) || fileSize !== offset + 2 * BLOCK)
    throw damaged(`its end should be at byte ${offset + 2 * BLOCK} of ${fileSize}`);
  return members;
}

async function readBlock(file: FileHandle, offset: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BLOCK), 0, BLOCK, offset);
  if (bytesRead < BLOCK) throw damaged(`it was cut at byte ${offset + bytesRead}`);
  return buffer;
}

/** The sum of all bytes, with the checksum field itself taken as blanks. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

/** A number in octal digits; from 8 GB on in base 256, marked by the highest bit. */
function octal(header: Buffer, start: number, length: number): number {
  const field = header.subarray(start, start + length);
  if (((field[0] ?? 0) & 0x80) !== 0)
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, (field[0] ?? 0) & 0x7f);
  const digits = text(header, start, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw damaged('a bad number in a tar header');
  return Number.parseInt(digits, 8);
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString('utf8');
}
