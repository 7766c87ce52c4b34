import { openRecord, type Sqlite } from './database.js';

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

type Row = Readonly<Record<string, string | number | null>>;

const TROUBLE = 'master-trouble';

/**
 * What the master is to show and has not been sent yet. Reports stay, the latest of each task file and row: what is sent
 * is made from them, so that the outbox is no more than a list of rows, never longer than the master's own tables, and
 * everything can be sent again. Every method is one durable transaction.
 */
export class Outbox {
  readonly folder: string;
  readonly #db: Sqlite;
  readonly #statements = new Map<string, ReturnType<Sqlite['prepare']>>();

  constructor(folder: string) {
    this.folder = folder;
    this.#db = openRecord(folder);
  }

  close(): void {
    this.#db.close();
  }

  /** Runs `work` as one transaction: what it reads is still so when it writes. */
  transaction<T>(work: () => T): T {
    return this.#db.inTransaction ? work() : this.#db.transaction(work).immediate();
  }

  /** Replaces the report of one source, and puts its row at the end of the queue. */
  save({ key, source, body }: ReportEntry): void {
    this.transaction(() => {
      this.#prepare('INSERT OR REPLACE INTO report VALUES (?, ?, ?)').run(key, source, JSON.stringify(body));
      this.#queue(key);
    });
  }

  /** Forgets the report of one source, and puts its row at the end of the queue. */
  remove(key: string, source: string): void {
    this.transaction(() => {
      this.#prepare('DELETE FROM report WHERE key = ? AND source = ?').run(key, source);
      this.#queue(key);
    });
  }

  /** What the sources of a row said last, by source. */
  reports(key: string): Map<string, unknown> {
    const rows = this.#prepare('SELECT source, body FROM report WHERE key = ? ORDER BY source').all(key);
    return new Map(
      (rows as Row[]).map((row) => [String(row['source']), JSON.parse(String(row['body'])) as unknown]),
    );
  }

  /** Rows and sources of all reports. */
  sources(): Pick<ReportEntry, 'key' | 'source'>[] {
    const rows = this.#prepare('SELECT key, source FROM report').all() as Row[];
    return rows.map((row) => ({ key: String(row['key']), source: String(row['source']) }));
  }

  /** What has to be sent: in order, but what was refused before comes last, so that it holds up nothing. */
  pending(): PendingRow[] {
    const sql = 'SELECT sequence, key, refusal FROM outbox ORDER BY refusal IS NOT NULL, sequence';
    return (this.#prepare(sql).all() as Row[]).map((row) => ({
      sequence: Number(row['sequence']),
      key: String(row['key']),
      refusal: row['refusal'] === null ? undefined : String(row['refusal']),
    }));
  }

  /** The master has these as they were when they were read; one that changed since then stays in the queue. */
  sent(rows: readonly PendingRow[]): void {
    this.transaction(() => {
      for (const { sequence } of rows) this.#prepare('DELETE FROM outbox WHERE sequence = ?').run(sequence);
    });
  }

  refused({ sequence }: PendingRow, refusal: string): void {
    this.#prepare('UPDATE outbox SET refusal = ? WHERE sequence = ?').run(refusal, sequence);
  }

  /** Everything is to be sent: the master knows nothing. */
  queueAll(): void {
    const sql =
      'INSERT INTO outbox (key) SELECT DISTINCT key FROM report WHERE true ON CONFLICT (key) DO NOTHING';
    this.#prepare(sql).run();
  }

  /** Why nothing could be sent last time; undefined when that worked. */
  trouble(): string | undefined {
    const [row] = this.#prepare('SELECT value FROM setting WHERE key = ?').all(TROUBLE) as Row[];
    return row === undefined ? undefined : String(row['value']);
  }

  setTrouble(trouble: string | undefined): void {
    if (trouble === undefined) this.#prepare('DELETE FROM setting WHERE key = ?').run(TROUBLE);
    else this.#prepare('INSERT OR REPLACE INTO setting VALUES (?, ?)').run(TROUBLE, trouble);
  }

  #queue(key: string): void {
    this.#prepare('INSERT OR REPLACE INTO outbox (key) VALUES (?)').run(key);
  }

  #prepare(sql: string) {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
