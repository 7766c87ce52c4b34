import { AgentError } from '../lib/errors.js';

/** One entry of the table of contents, with the names exactly as they are (no quoting, no escaping). */
export interface ArchiveEntry {
  readonly dumpId: number;
  /** "TABLE", "TABLE DATA", "INDEX", "CONSTRAINT", "FK CONSTRAINT", ... */
  readonly kind: string;
  readonly schema: string;
  /** For most kinds the object's name; for constraints and triggers "table name". */
  readonly tag: string;
  /** The SQL that makes the object. */
  readonly definition: string;
  /** The SQL before its rows; empty for what has none. */
  readonly copyStatement: string;
  readonly hasData: boolean;
}

export interface ArchiveContents {
  /** "1.14" for PostgreSQL 12-15, "1.15" for 16, "1.16" for 17. */
  readonly version: string;
  /** Version of the server that was dumped, and of the pg_dump that did it. */
  readonly serverVersion: string;
  readonly toolVersion: string;
  /** Offset and length of the creation time inside the header: all that differs between two dumps of an untouched table. */
  readonly timestamp: { readonly offset: number; readonly length: number };
  readonly entries: readonly ArchiveEntry[];
}

export type ArchiveFormat = 'custom' | 'tar';

/** Thrown inside the reader when more bytes are needed than it was given; the caller reads more and tries again. */
export class NeedMoreBytes extends Error {}

const OLDEST_MINOR = 12;
const NEWEST_MINOR = 16;
const FORMAT_BYTES: Readonly<Record<number, ArchiveFormat>> = { 1: 'custom', 3: 'tar' };
const MAX_ENTRIES = 100_000;

/**
 * Reads header and table of contents of a custom archive, or of the toc.dat inside a tar archive, as
 * pg_backup_archiver.c (ReadHead, ReadToc) writes them. Reading them here instead of from the listing of `pg_restore -l`
 * gives exact names (the listing separates them by blanks and replaces line ends) and costs no process.
 * Throws NeedMoreBytes when `bytes` ends too early, AgentError 'invalid-data' for anything that is no such archive.
 */
export function readArchive(bytes: Buffer, format: ArchiveFormat): ArchiveContents {
  const reader = new Reader(bytes);
  if (reader.bytes(5).toString('latin1') !== 'PGDMP') throw damaged('it does not start with PGDMP');
  const major = reader.byte();
  const minor = reader.byte();
  reader.byte(); // revision
  const version = `${major}.${minor}`;
  if (major !== 1 || minor < OLDEST_MINOR || minor > NEWEST_MINOR)
    throw new AgentError('invalid-data', `The dump has archive version ${version}, which is not supported.`, {
      retry: 'remote',
      hint: 'Archives of pg_dump 9.0 to 17 (versions 1.12 to 1.16) can be read.',
    });
  const intSize = reader.byte();
  const offsetSize = reader.byte();
  if (intSize !== 4 || offsetSize !== 8) throw damaged(`integer sizes ${intSize} and ${offsetSize}`);
  const formatByte = reader.byte();
  if (FORMAT_BYTES[formatByte] !== format)
    throw damaged(`its header says format ${formatByte}, which is not ${format}`);
  if (minor >= 15) reader.byte();
  else reader.int(); // compression
  const offset = reader.position;
  for (let i = 0; i < 7; i++) reader.int(); // second, minute, hour, day, month, year, daylight saving time
  const timestamp = { offset, length: reader.position - offset };
  reader.text(); // database name
  const serverVersion = reader.text() ?? '';
  const toolVersion = reader.text() ?? '';
  const count = reader.int();
  if (count < 0 || count > MAX_ENTRIES) throw damaged(`${count} entries`);
  const entries: ArchiveEntry[] = [];
  for (let i = 0; i < count; i++) entries.push(readEntry(reader, minor, format));
  return { version, serverVersion, toolVersion, timestamp, entries };
}

function readEntry(reader: Reader, minor: number, format: ArchiveFormat): ArchiveEntry {
  const dumpId = reader.int();
  const hasData = reader.int() !== 0;
  reader.text(); // catalog oid
  reader.text(); // object oid
  const tag = reader.text() ?? '';
  const kind = reader.text() ?? '';
  reader.int(); // section
  const definition = reader.text() ?? '';
  reader.text(); // DROP statement
  const copyStatement = reader.text() ?? '';
  const schema = reader.text() ?? '';
  reader.text(); // tablespace
  if (minor >= 14) reader.text(); // access method
  if (minor >= 16) reader.int(); // relkind
  reader.text(); // owner
  reader.text(); // WITH OIDS
  while (reader.text() !== undefined); // dependencies, ended by a null string
  if (format === 'custom')
    reader.bytes(9); // state and offset of the data
  else reader.text(); // name of the member with the data
  if (dumpId <= 0 || !/^[A-Z ]+$/.test(kind))
    throw damaged(`entry ${dumpId} of kind ${JSON.stringify(kind)}`);
  return { dumpId, kind, schema, tag, definition, copyStatement, hasData };
}

class Reader {
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(length: number): Buffer {
    const end = this.position + length;
    if (end > this.#bytes.length) throw new NeedMoreBytes();
    const result = this.#bytes.subarray(this.position, end);
    this.position = end;
    return result;
  }

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  /** A sign byte, then four bytes, the lowest first. */
  int(): number {
    const negative = this.byte();
    if (negative > 1) throw damaged('a bad sign');
    const value = this.bytes(4).readUInt32LE();
    return negative === 1 ? -value : value;
  }

  /** Length and bytes; a negative length stands for a null string. */
  text(): string | undefined {
    const length = this.int();
    if (length < 0) return undefined;
    if (length > MAX_TEXT) throw damaged(`a text of ${length} bytes`);
    return this.bytes(length).toString('utf8');
  }
}

const MAX_TEXT = 64 * 1024 * 1024;

export function damaged(what: string): AgentError {
  return new AgentError('invalid-data', `The dump is damaged, or is no archive of pg_dump: ${what}.`, {
    retry: 'remote',
  });
}
