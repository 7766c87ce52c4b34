import { AgentError } from '../lib/errors.js';
import { openRecord, type Access, type Sqlite } from './open.js';

export type Row = Readonly<Record<string, string | number | null>>;
type Value = string | number | null;

/** The transaction of one turn of the event loop. */
interface Turn {
  written: Promise<void>;
  failure?: Error;
  /** Somebody knows of the failure, or waits to be told. */
  isTold?: boolean;
}

/**
 * The record's file. All that is written in one turn of the event loop is one transaction, committed when the turn ends:
 * who writes reads it at once, `written` waits for it, and a run of hundreds of small writes waits for the disk a few times
 * only. Such a commit survives the death of any process; a power loss may undo the last ones, in their order, unless
 * `durably` came after them. A commit that fails is told to those who wait for it or, when nobody does, to whoever writes next.
 */
export class RecordDatabase {
  readonly folder: string;
  readonly #db: Sqlite;
  readonly #statements = new Map<string, ReturnType<Sqlite['prepare']>>();
  #turn: Turn = { written: Promise.resolve() };
  /** Of a commit whose writers have gone on: for whoever comes next. */
  #failure: Error | undefined;

  /** Throws AgentError; see `openRecord`. */
  constructor(folder: string, access: Access = 'write') {
    this.folder = folder;
    this.#db = openRecord(folder, access);
  }

  read(sql: string, ...params: Value[]): Row[] {
    return this.#prepare(sql).all(params) as Row[];
  }

  /** Throws AgentError 'disk-full' when the disk refuses, and what SQLite throws when the statement is wrong. */
  write(sql: string, ...params: Value[]): { readonly lastInsertRowid: number | bigint } {
    return this.#guard(() => {
      this.#begin();
      return this.#prepare(sql).run(params);
    });
  }

  /** Runs `work` with all of its writes or, when it throws, none. */
  transaction<T>(work: () => T): T {
    return this.#guard(() => {
      this.#begin();
      this.#db.exec('SAVEPOINT work');
      try {
        const result = work();
        this.#db.exec('RELEASE work');
        return result;
      } catch (error) {
        if (this.#db.inTransaction) this.#db.exec('ROLLBACK TO work; RELEASE work');
        throw error;
      }
    });
  }

  /** Like `transaction`, and when it returns, that and everything before survives a power loss. */
  durably<T>(work: () => T): T {
    this.commit();
    this.#db.pragma('synchronous = FULL');
    try {
      const result = this.transaction(work);
      this.commit();
      return result;
    } finally {
      if (!this.#db.inTransaction) this.#db.pragma('synchronous = NORMAL');
    }
  }

  /** Resolves when everything that was written survives the death of this process. */
  written(): Promise<void> {
    this.#turn.isTold = true;
    return this.#turn.written;
  }

  /** Ends the turn's transaction now. */
  commit(): void {
    this.#throwFailure();
    this.#guard(() => this.#commit());
  }

  close(): void {
    try {
      this.commit();
    } finally {
      this.#db.close();
    }
  }

  #begin(): void {
    if (this.#db.inTransaction) return;
    this.#throwFailure();
    this.#db.exec('BEGIN IMMEDIATE');
    const turn: Turn = { written: Promise.resolve() };
    turn.written = new Promise((resolve, reject) => {
      setImmediate(() => {
        const failure = this.#endTurn(turn);
        if (failure === undefined) resolve();
        else reject(failure);
      });
    });
    // Not everybody waits; those who do are told all the same.
    turn.written.catch(() => undefined);
    this.#turn = turn;
  }

  #endTurn(turn: Turn): Error | undefined {
    try {
      if (turn === this.#turn && this.#db.open) this.#commit();
    } catch (error) {
      turn.failure = toRecordError(error, this.folder);
    }
    if (turn.failure !== undefined && turn.isTold !== true) this.#failure = turn.failure;
    return turn.failure;
  }

  #commit(): void {
    if (!this.#db.inTransaction) return;
    try {
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }

  /**
   * Tells the caller what went wrong. A full disk makes SQLite roll back: then all that the turn has written is lost, and those
   * who wait for it are told, too.
   */
  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const understood = toRecordError(error, this.folder);
      if (!this.#db.inTransaction) Object.assign(this.#turn, { failure: understood, isTold: true });
      throw understood;
    }
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  #prepare(sql: string) {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/**
 * What SQLite throws, in the program's terms: a full disk and a record that cannot be written are the operator's to mend,
 * and nothing may go on without the record. Anything else stays as it is.
 */
export function toRecordError(error: unknown, folder: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (!('code' in error) || typeof error.code !== 'string') return error;
  const problem = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB)/.exec(error.code)?.[1];
  if (problem === undefined) return error;
  const isFull = problem === 'FULL' || problem === 'IOERR';
  return new AgentError('disk-full', `the record in ${folder} cannot be written: ${error.message}`, {
    retry: 'transient',
    cause: error,
    hint: isFull
      ? 'Make room on that disk; the next run goes on where this one stopped.'
      : 'Check the folder of SYNC_STATUS_PATH: its owner, its mode, its disk.',
  });
}
