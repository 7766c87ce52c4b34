import { open, type FileHandle } from 'node:fs/promises';
import { AgentError, isErrno } from '../lib/errors.js';
import {
  damaged,
  NeedMoreBytes,
  readArchive,
  type ArchiveContents,
  type ArchiveEntry,
  type ArchiveFormat,
} from './archive.js';
import { isOrdinary } from './ordinary.js';
import { readTar } from './tar.js';

export interface ForeignKey {
  readonly dumpId: number;
  readonly name: string;
  /** The ALTER TABLE statement that adds it, without the closing semicolon. */
  readonly definition: string;
  readonly referenced: { readonly schema: string; readonly table: string };
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface DumpInfo {
  readonly format: ArchiveFormat;
  readonly archiveVersion: string;
  /** Version of the server that was dumped. */
  readonly serverVersion: string;
  /** Version of the pg_dump that made it. */
  readonly toolVersion: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly tables: readonly { readonly schema: string; readonly name: string; readonly hasData: boolean }[];
  readonly indexCount: number;
  /** Primary keys, unique and exclusion constraints; checks are part of the table. */
  readonly constraintCount: number;
  readonly foreignKeys: readonly ForeignKey[];
  readonly entries: readonly ArchiveEntry[];
  /** What differs between two dumps of the same data: times and random keys. */
  readonly volatileRanges: readonly ByteRange[];
}

export interface ExpectedTable {
  readonly dataSchema: string;
  readonly table: string;
}

/** Kinds that belong to a table. Anything else would be left behind, and be in the way the next time. */
const KINDS_OF_A_TABLE = new Set([
  ...['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'TABLE', 'TABLE DATA', 'DEFAULT', 'ROW SECURITY', 'POLICY'],
  ...['SEQUENCE', 'SEQUENCE OWNED BY', 'SEQUENCE SET', 'INDEX', 'CONSTRAINT', 'CHECK CONSTRAINT'],
  ...['FK CONSTRAINT', 'TRIGGER', 'RULE', 'STATISTICS', 'STATISTICS DATA', 'COMMENT', 'ACL', 'DEFAULT ACL'],
  ...['SECURITY LABEL', 'PUBLICATION TABLE', 'DATABASE'],
]);

/**
 * Reads what a dump holds, without a process or a database. With `expected`, makes sure that it holds exactly that table
 * and its rows. Throws AgentError: 'missing-at-source' (no such file), 'invalid-data' remote (damaged, cut, not supported),
 * 'invalid-data' final (another table, several tables, a view, no rows because the table is partitioned).
 */
export async function inspectDump(path: string, expected?: ExpectedTable): Promise<DumpInfo> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new AgentError('missing-at-source', `The dump ${path} is not there.`, { retry: 'remote' });
  }
  try {
    const { size } = await file.stat();
    const info = await inspectFile(file, size);
    if (expected) checkTable(info, expected);
    return info;
  } finally {
    await file.close();
  }
}

async function inspectFile(file: FileHandle, size: number): Promise<DumpInfo> {
  const start = Buffer.alloc(5);
  await file.read(start, 0, start.length, 0);
  if (start.toString('latin1') === 'PGDMP')
    return describe('custom', size, await readContents(file, { offset: 0, length: size }, 'custom'), []);

  const members = await readTar(file, size);
  const toc = members.find((member) => member.name === 'toc.dat');
  if (!toc) throw damaged('a tar without toc.dat');
  const contents = await readContents(file, { offset: toc.dataOffset, length: toc.size }, 'tar');
  const names = new Set(members.map((member) => member.name));
  const missing = contents.entries.find(
    (entry) => entry.kind === 'TABLE DATA' && entry.hasData && !names.has(`${entry.dumpId}.dat`),
  );
  if (missing) throw damaged(`a tar without the rows of ${missing.tag}`);
  const volatileRanges = members.flatMap((member) => [
    { offset: member.headerOffset + 136, length: 20 }, // time and checksum
    ...(member === toc ? [shifted(contents.timestamp, toc.dataOffset)] : []),
    // Made from the rest, and holds a random key in newer versions.
    ...(member.name === 'restore.sql' ? [{ offset: member.dataOffset, length: member.size }] : []),
  ]);
  return describe('tar', size, contents, volatileRanges);
}

/** Reads as much of the start as the table of contents needs, usually a few kilobytes of many megabytes. */
async function readContents(
  file: FileHandle,
  where: ByteRange,
  format: ArchiveFormat,
): Promise<ArchiveContents> {
  for (let length = Math.min(64 * 1024, where.length); ; length = Math.min(length * 4, where.length)) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, where.offset);
    try {
      return readArchive(buffer.subarray(0, bytesRead), format);
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (length === where.length) throw damaged('it ends inside its table of contents');
    }
  }
}

function describe(
  format: ArchiveFormat,
  size: number,
  contents: ArchiveContents,
  volatileRanges: readonly ByteRange[],
): DumpInfo {
  const ofKind = (kind: string) => contents.entries.filter((entry) => entry.kind === kind);
  const withData = new Set(
    ofKind('TABLE DATA')
      .filter((entry) => entry.hasData)
      .map((entry) => JSON.stringify([entry.schema, entry.tag])),
  );
  return {
    format,
    archiveVersion: contents.version,
    serverVersion: contents.serverVersion,
    toolVersion: contents.toolVersion,
    size,
    tables: ofKind('TABLE').map(({ schema, tag }) => ({
      schema,
      name: tag,
      hasData: withData.has(JSON.stringify([schema, tag])),
    })),
    indexCount: ofKind('INDEX').length,
    constraintCount: ofKind('CONSTRAINT').length,
    foreignKeys: ofKind('FK CONSTRAINT').map(toForeignKey),
    entries: contents.entries,
    volatileRanges: format === 'custom' ? [contents.timestamp] : volatileRanges,
  };
}

const NAME = String.raw`("(?:[^"]|"")+"|[^\s".()]+)`;
const FOREIGN_KEY = new RegExp(
  String.raw`^ALTER TABLE (?:ONLY )?${NAME}\.${NAME}\s+ADD CONSTRAINT ${NAME} FOREIGN KEY \(.+?\) REFERENCES ${NAME}\.${NAME}\(`,
  's',
);

function toForeignKey(entry: ArchiveEntry): ForeignKey {
  const [, , , name, schema, table] = FOREIGN_KEY.exec(entry.definition) ?? [];
  if (name === undefined || schema === undefined || table === undefined)
    throw damaged(`a foreign key that can't be read: ${entry.definition.slice(0, 200)}`);
  return {
    dumpId: entry.dumpId,
    name: unquoted(name),
    definition: entry.definition.trim().replace(/;$/, ''),
    referenced: { schema: unquoted(schema), table: unquoted(table) },
  };
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function checkTable(info: DumpInfo, expected: ExpectedTable): void {
  const wanted = `${expected.dataSchema}.${expected.table}`;
  const foreign = info.entries.find((entry) => !KINDS_OF_A_TABLE.has(entry.kind));
  if (foreign)
    throw wrong(`holds the ${foreign.kind.toLowerCase()} ${foreign.schema}.${foreign.tag}`, wanted);
  const [table, ...others] = info.tables;
  if (table === undefined) throw wrong('holds no table', wanted);
  if (others.length > 0)
    throw wrong(`holds ${info.tables.map((t) => `${t.schema}.${t.name}`).join(', ')}`, wanted);
  if (table.schema !== expected.dataSchema || table.name !== expected.table)
    throw wrong(`holds the table ${table.schema}.${table.name}`, wanted);
  if (!table.hasData)
    throw wrong('holds the table without its rows (a partitioned table, or a schema-only dump)', wanted);
  const strange = info.entries.find((entry) => !isOrdinary(entry, expected));
  if (strange)
    throw wrong(
      `holds a statement that pg_dump does not write for the ${strange.kind} ${strange.tag}`,
      wanted,
    );
}

function wrong(what: string, wanted: string): AgentError {
  return new AgentError('invalid-data', `The dump ${what}; the task file wants the table ${wanted} only.`, {
    retry: 'final',
  });
}

function shifted(range: ByteRange, by: number): ByteRange {
  return { offset: range.offset + by, length: range.length };
}
