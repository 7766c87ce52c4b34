import type { RecordDatabase } from './database.js';

/** A row of the master's tables that has yet to be sent. */
export interface PendingRow {
  readonly sequence: number;
  readonly key: string;
  /** What the master said when it would not take the row; undefined when it was not tried yet. */
  readonly refusal: string | undefined;
}

export interface ReportEntry {
  readonly key: string;
  /** Path of the task file that the report is about. */
  readonly source: string;
  readonly body: unknown;
}

const TROUBLE = 'master-trouble';

/**
 * What the master is to show and has not been sent yet. Reports stay, the latest of each task file and row: what is sent
 * is made from them, so that the outbox is no more than a list of rows, never longer than the master's own tables, and
 * everything can be sent again. It is a part of the record: what is noted with a job is kept or lost with it.
 */
export class Outbox {
  readonly #database: RecordDatabase;

  constructor(database: RecordDatabase) {
    this.#database = database;
  }

  get folder(): string {
    return this.#database.folder;
  }

  /** Runs `work` as one transaction: what it reads is still so when it writes. */
  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** Resolves when what was noted survives the death of this process. */
  written(): Promise<void> {
    return this.#database.written();
  }

  /** Replaces the report of one source, and puts its row at the end of the queue. */
  save({ key, source, body }: ReportEntry): void {
    this.transaction(() => {
      this.#database.write(
        'INSERT OR REPLACE INTO report VALUES (?, ?, ?)',
        key,
        source,
        JSON.stringify(body),
      );
      this.#queue(key);
    });
  }

  /** Forgets the report of one source, and puts its row at the end of the queue. */
  remove(key: string, source: string): void {
    this.transaction(() => {
      this.#database.write('DELETE FROM report WHERE key = ? AND source = ?', key, source);
      this.#queue(key);
    });
  }

  /** What the sources of a row said last, by source. */
  reports(key: string): Map<string, unknown> {
    const rows = this.#database.read('SELECT source, body FROM report WHERE key = ? ORDER BY source', key);
    return new Map(rows.map((row) => [String(row['source']), JSON.parse(String(row['body'])) as unknown]));
  }

  /** Rows and sources of all reports. */
  sources(): Pick<ReportEntry, 'key' | 'source'>[] {
    const rows = this.#database.read('SELECT key, source FROM report');
    return rows.map((row) => ({ key: String(row['key']), source: String(row['source']) }));
  }

  /** What has to be sent: in order, but what was refused before comes last, so that it holds up nothing. */
  pending(): PendingRow[] {
    const sql = 'SELECT sequence, key, refusal FROM outbox ORDER BY refusal IS NOT NULL, sequence';
    return this.#database.read(sql).map((row) => ({
      sequence: Number(row['sequence']),
      key: String(row['key']),
      refusal: row['refusal'] === null ? undefined : String(row['refusal']),
    }));
  }

  /** The master has these as they were when they were read; one that changed since then stays in the queue. */
  sent(rows: readonly PendingRow[]): void {
    this.transaction(() => {
      for (const { sequence } of rows)
        this.#database.write('DELETE FROM outbox WHERE sequence = ?', sequence);
    });
  }

  refused({ sequence }: PendingRow, refusal: string): void {
    this.#database.write('UPDATE outbox SET refusal = ? WHERE sequence = ?', refusal, sequence);
  }

  /** Everything is to be sent: the master knows nothing. */
  queueAll(): void {
    const sql =
      'INSERT INTO outbox (key) SELECT DISTINCT key FROM report WHERE true ON CONFLICT (key) DO NOTHING';
    this.#database.write(sql);
  }

  /** Why nothing could be sent last time; undefined when that worked. */
  trouble(): string | undefined {
    const [row] = this.#database.read('SELECT value FROM setting WHERE key = ?', TROUBLE);
    return row === undefined ? undefined : String(row['value']);
  }

  setTrouble(trouble: string | undefined): void {
    if (trouble === undefined) this.#database.write('DELETE FROM setting WHERE key = ?', TROUBLE);
    else this.#database.write('INSERT OR REPLACE INTO setting VALUES (?, ?)', TROUBLE, trouble);
  }

  #queue(key: string): void {
    this.#database.write('INSERT OR REPLACE INTO outbox (key) VALUES (?)', key);
  }
}
