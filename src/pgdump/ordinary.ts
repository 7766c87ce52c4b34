import type { ArchiveEntry } from './archive.js';
import { splitStatements } from './statements.js';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[^\s".(),;]+)`;
const ANY = String.raw`${NAME}\.${NAME}`;
/** Stands for the qualified name of the dump's own table. */
const OWN = '<own>';
const EVENT = String.raw`(?:INSERT|DELETE|TRUNCATE|UPDATE(?: OF ${NAME}(?:, ${NAME})*)?)`;
const ALTER = String.raw`ALTER TABLE (?:ONLY )?${OWN}\s`;
const STATISTICS_DATA = String.raw`SELECT \* FROM pg_catalog\.pg_restore_(?:relation|attribute)_stats\(`;

/** How the first statement of each kind begins. */
const FIRST: Readonly<Record<string, string>> = {
  ENCODING: String.raw`SET client_encoding = '[\w-]+'$`,
  // With "off" a backslash would hide the end of a string from splitStatements.
  STDSTRINGS: `SET standard_conforming_strings = 'on'$`,
  SEARCHPATH: String.raw`SELECT pg_catalog\.set_config\('search_path', '[\w", $.]*', false\)$`,
  TABLE: String.raw`CREATE (?:UNLOGGED )?TABLE ${OWN}\s`,
  'TABLE DATA': '$',
  DEFAULT: `${ALTER}ALTER COLUMN `,
  'ROW SECURITY': `${ALTER}(?:ENABLE|FORCE) ROW LEVEL SECURITY$`,
  POLICY: String.raw`CREATE POLICY ${NAME} ON ${OWN}(?:\s|$)`,
  SEQUENCE: String.raw`CREATE (?:UNLOGGED )?SEQUENCE ${ANY}\s|${ALTER}ALTER COLUMN ${NAME} ADD GENERATED `,
  'SEQUENCE OWNED BY': String.raw`ALTER SEQUENCE ${ANY} OWNED BY ${OWN}\.`,
  'SEQUENCE SET': String.raw`SELECT pg_catalog\.setval\('(?:[^']|'')*', -?\d+, (?:true|false)\)$`,
  INDEX: String.raw`CREATE (?:UNIQUE )?INDEX ${NAME} ON (?:ONLY )?${OWN}\s`,
  CONSTRAINT: String.raw`${ALTER}\s*ADD CONSTRAINT `,
  'CHECK CONSTRAINT': String.raw`${ALTER}\s*ADD CONSTRAINT `,
  'FK CONSTRAINT': String.raw`${ALTER}\s*ADD CONSTRAINT `,
  TRIGGER: String.raw`CREATE (?:CONSTRAINT )?TRIGGER ${NAME} (?:AFTER|BEFORE) ${EVENT}(?: OR ${EVENT})* ON ${OWN}\s`,
  RULE: String.raw`CREATE RULE ${NAME} AS\s+ON (?:INSERT|UPDATE|DELETE) TO ${OWN}\s`,
  STATISTICS: String.raw`CREATE STATISTICS ${ANY} .* FROM ${OWN}$`,
  'STATISTICS DATA': STATISTICS_DATA,
  COMMENT: 'COMMENT ON ',
};

/** What may follow it. */
const FURTHER = [
  ALTER,
  String.raw`ALTER INDEX ${ANY} ALTER COLUMN \d+ SET STATISTICS \d+$`,
  String.raw`ALTER STATISTICS ${ANY} SET STATISTICS \d+$`,
  STATISTICS_DATA,
].join('|');

const COPY = String.raw`COPY ${OWN}(?: \((?:${NAME}(?:, ${NAME})*)?\))? *FROM stdin;$`;

/** Another table would show the rows as its own. */
const INHERITS = /^INHERITS \(/m;

/** Restored with --no-privileges and the like: their SQL is never run. */
const NEVER_RUN = new Set(['ACL', 'DEFAULT ACL', 'SECURITY LABEL', 'PUBLICATION TABLE', 'DATABASE']);

/**
 * Whether an entry's SQL is what pg_dump writes for its kind and this table. pg_restore runs whatever stands there, so that a
 * forged table of contents could hold any statement. The expressions inside of a definition are the server's to judge, by the
 * rights of the slave's role.
 */
export function isOrdinary(
  entry: ArchiveEntry,
  own: { readonly dataSchema: string; readonly table: string },
): boolean {
  if (NEVER_RUN.has(entry.kind)) return true;
  const expected = FIRST[entry.kind];
  if (expected === undefined || (entry.kind === 'TABLE' && INHERITS.test(entry.definition))) return false;
  const table = String.raw`${namePattern(own.dataSchema)}\.${namePattern(own.table)}`;
  const begins = (sql: string, pattern: string): boolean =>
    new RegExp(`^(?:${pattern.replaceAll(OWN, () => table)})`, 's').test(sql);
  const [first = '', ...further] = splitStatements(entry.definition).map(({ start, end }) =>
    entry.definition.slice(start, end).trim(),
  );
  return (
    begins(first, expected) &&
    further.every((sql) => begins(sql, FURTHER)) &&
    (entry.copyStatement === '' || begins(entry.copyStatement.trim(), COPY))
  );
}

/** A name as pg_dump writes it: with quotes, or without where it needs none. */
function namePattern(name: string): string {
  const escape = (text: string): string => text.replace(/[^\w\u0080-\uffff]/g, String.raw`\$&`);
  return `(?:${escape(name)}|"${escape(name.replaceAll('"', '""'))}")`;
}
