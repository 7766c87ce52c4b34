import { randomBytes } from 'node:crypto';
import type { FailureReason, RetryClass } from '../lib/errors.js';
import { openRecord, toRecordError, type Sqlite } from './database.js';
import type {
  Failure,
  FileRecord,
  FileState,
  PublicationRecord,
  RunRecord,
  TaskKey,
  TaskRecord,
  TaskState,
} from './records.js';

type Row = Readonly<Record<string, string | number | null>>;

/**
 * The durable record: what each task file asked for, and what was applied. Every method is one durable transaction, but
 * those for tasks: they write all that happens in one turn of the event loop together, and do not wait for the disk, which
 * would stop everything for up to 10 ms each time.
 */
export class StateStore {
  readonly folder: string;
  readonly #db: Sqlite;
  readonly #statements = new Map<string, ReturnType<Sqlite['prepare']>>();
  /** Writes for the next transaction. */
  #waiting: (() => void)[] = [];
  #written: Promise<void> | undefined;

  constructor(folder: string) {
    this.folder = folder;
    this.#db = openRecord(folder);
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      this.#db.close();
    }
  }

  /** Runs `work` as one transaction: all of its writes are durable together, or none is. Inside another: as part of it. */
  transaction<T>(work: () => T): T {
    if (this.#db.inTransaction) return work();
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const write of waiting) write();
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      // Those who wait for them are told by their own turn.
      this.#waiting = [...waiting, ...this.#waiting];
      throw toRecordError(error, this.folder);
    }
  }

  /** A random value of this record: digests of settings that hold a password are salted with it. */
  salt(): string {
    const known = this.setting('salt');
    if (known !== undefined) return known;
    const salt = randomBytes(16).toString('hex');
    this.setSetting('salt', salt);
    return salt;
  }

  setting(key: string): string | undefined {
    const [row] = this.#all('SELECT value FROM setting WHERE key = ?', key);
    return text(row?.['value']);
  }

  setSetting(key: string, value: string): void {
    this.#run(
      'INSERT INTO setting VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      key,
      value,
    );
  }

  files(): Map<string, FileRecord> {
    return new Map(this.#all('SELECT * FROM file').map((row) => [String(row['path']), toFile(row)]));
  }

  saveFile(file: FileRecord): void {
    this.#run(
      'INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      file.path,
      file.blobId,
      file.contentHash,
      file.settings,
      file.kind,
      file.channel,
      file.action,
      file.identity ?? null,
      file.name ?? null,
      file.spec === undefined ? null : JSON.stringify(file.spec),
      file.state,
      file.failure?.reason ?? null,
      file.failure?.retry ?? null,
      file.failure?.message ?? file.remark ?? null,
      file.attempts,
      file.nextAttemptAt?.toISOString() ?? null,
      file.revision ?? null,
      file.updatedAt.toISOString(),
    );
  }

  /** Forgets a task file and its tasks; what it published stays in `publications` until that is removed. */
  deleteFile(path: string): void {
    this.transaction(() => {
      this.#run('DELETE FROM file WHERE path = ?', path);
      this.#run('DELETE FROM task WHERE path = ?', path);
    });
  }

  publications(): PublicationRecord[] {
    return this.#all('SELECT * FROM publication ORDER BY path').map((row) => ({
      path: String(row['path']),
      generation: String(row['generation']),
      identity: String(row['identity']),
      kind: String(row['kind']),
      channel: String(row['channel']),
      name: String(row['name']),
      spec: JSON.parse(String(row['spec'])) as Record<string, unknown>,
    }));
  }

  /** The paths of `publications`, without reading the rest. */
  publishedPaths(): Set<string> {
    return new Set(this.#all('SELECT path FROM publication').map((row) => String(row['path'])));
  }

  savePublication(p: PublicationRecord): void {
    this.#run(
      `INSERT OR REPLACE INTO publication (path, identity, kind, channel, name, spec, generation)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      p.path,
      p.identity,
      p.kind,
      p.channel,
      p.name,
      JSON.stringify(p.spec),
      p.generation,
    );
  }

  deletePublication(path: string, identity: string): void {
    this.#run('DELETE FROM publication WHERE path = ? AND identity = ?', path, identity);
  }

  /** The task records of all files, by path. */
  tasks(): Map<string, TaskRecord[]> {
    const byPath = new Map<string, TaskRecord[]>();
    for (const task of this.#all('SELECT * FROM task').map(toTask)) {
      const known = byPath.get(task.path);
      if (known) known.push(task);
      else byPath.set(task.path, [task]);
    }
    return byPath;
  }

  tasksOf(path: string): TaskRecord[] {
    return this.#all('SELECT * FROM task WHERE path = ? ORDER BY started_at', path).map(toTask);
  }

  /** Resolves when it survives the death of this process. */
  taskStarted(keys: readonly (TaskKey & { fingerprint: string })[], at: Date): Promise<void> {
    return this.#writeSoon(() => {
      for (const k of keys)
        this.#run(
          `INSERT INTO task (path, action, type, object, target, fingerprint, state, started_at)
           VALUES (?, ?, ?, ?, ?, ?, 'started', ?)
           ON CONFLICT (path, action, type, object, target) DO UPDATE SET
             fingerprint = excluded.fingerprint, state = 'started', started_at = excluded.started_at,
             finished_at = NULL, reason = NULL, retry = NULL, message = NULL`,
          k.path,
          k.action,
          k.type,
          k.object,
          k.target,
          k.fingerprint,
          at.toISOString(),
        );
    });
  }

  /** Seen at once by whoever reads; resolves when it survives the death of this process. */
  taskFinished(
    keys: readonly TaskKey[],
    at: Date,
    result: { output?: unknown; failure?: Failure },
  ): Promise<void> {
    return this.#writeSoon(() => {
      for (const k of keys)
        this.#run(
          `UPDATE task SET state = ?, output = coalesce(?, output), reason = ?, retry = ?, message = ?, finished_at = ?
           WHERE path = ? AND action = ? AND type = ? AND object = ? AND target = ?`,
          result.failure ? 'failed' : 'done',
          result.output === undefined ? null : JSON.stringify(result.output),
          result.failure?.reason ?? null,
          result.failure?.retry ?? null,
          result.failure?.message ?? null,
          at.toISOString(),
          k.path,
          k.action,
          k.type,
          k.object,
          k.target,
        );
    });
  }

  /** Forgets the steps of a file whose action is not this one, so that publish, remove, publish starts anew. */
  deleteOtherActions(path: string, action: string): void {
    this.#run('DELETE FROM task WHERE path = ? AND action <> ?', path, action);
  }

  made(target: string, type: string, owner: string): string[] {
    return this.#all(
      'SELECT name FROM made WHERE target = ? AND type = ? AND owner = ?',
      target,
      type,
      owner,
    ).map((row) => String(row['name']));
  }

  ownerOf(target: string, type: string, name: string): string | undefined {
    const [row] = this.#all(
      'SELECT owner FROM made WHERE target = ? AND type = ? AND name = ?',
      target,
      type,
      name,
    );
    return text(row?.['owner']);
  }

  addMade(target: string, type: string, name: string, owner: string): void {
    this.#run('INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?)', target, type, name, owner);
  }

  deleteMade(target: string, type: string, name: string): void {
    this.#run('DELETE FROM made WHERE target = ? AND type = ? AND name = ?', target, type, name);
  }

  /** Forgets what was done for a file, so that all of it is due again. */
  deleteTasks(path: string): void {
    this.#run('DELETE FROM task WHERE path = ?', path);
  }

  startRun(command: string, at: Date): number {
    this.#run('DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - 1000');
    const row = this.#run('INSERT INTO run (command, started_at) VALUES (?, ?)', command, at.toISOString());
    return Number(row.lastInsertRowid);
  }

  finishRun(id: number, at: Date, result: { revision?: string; outcome: string; summary: unknown }): void {
    this.#run(
      'UPDATE run SET finished_at = ?, revision = ?, outcome = ?, summary = ? WHERE id = ?',
      at.toISOString(),
      result.revision ?? null,
      result.outcome,
      JSON.stringify(result.summary),
      id,
    );
  }

  lastRun(outcome?: string): RunRecord | undefined {
    const [row] =
      outcome === undefined
        ? this.#all('SELECT * FROM run ORDER BY id DESC LIMIT 1')
        : this.#all('SELECT * FROM run WHERE outcome = ? ORDER BY id DESC LIMIT 1', outcome);
    return row === undefined
      ? undefined
      : {
          id: Number(row['id']),
          command: String(row['command']),
          revision: text(row['revision']),
          startedAt: new Date(String(row['started_at'])),
          finishedAt: date(row['finished_at']),
          outcome: text(row['outcome']),
        };
  }

  /** A full disk makes SQLite roll back by itself. */
  #rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }

  #writeSoon(write: () => void): Promise<void> {
    this.#waiting.push(write);
    this.#written ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#written = undefined;
        try {
          this.#flush();
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    return this.#written;
  }

  /**
   * Safe from the death of any process, and written before whatever is written next; but a power loss may undo the last of
   * it, since nobody waits for the disk. Then the tasks of a job that is still pending, which is durable, are done again.
   */
  #flush(): void {
    if (this.#waiting.length === 0 || this.#db.inTransaction) return;
    this.#db.pragma('synchronous = NORMAL');
    try {
      this.transaction(() => undefined);
    } finally {
      this.#db.pragma('synchronous = FULL');
    }
  }

  #all(sql: string, ...params: unknown[]): Row[] {
    this.#flush();
    return this.#prepare(sql).all(...params) as Row[];
  }

  #run(sql: string, ...params: unknown[]) {
    const run = () => this.#prepare(sql).run(...params);
    if (this.#waiting.length > 0) return this.transaction(run);
    try {
      return run();
    } catch (error) {
      throw toRecordError(error, this.folder);
    }
  }

  #prepare(sql: string) {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function toFile(row: Row): FileRecord {
  const failure = toFailure(row);
  const spec = text(row['spec']);
  return {
    path: String(row['path']),
    blobId: String(row['blob_id']),
    contentHash: String(row['content_hash']),
    settings: String(row['settings']),
    kind: String(row['kind']),
    channel: String(row['channel']),
    action: String(row['action']),
    identity: text(row['identity']),
    name: text(row['name']),
    spec: spec === undefined ? undefined : (JSON.parse(spec) as Record<string, unknown>),
    state: row['state'] as FileState,
    failure,
    remark: failure ? undefined : text(row['message']),
    attempts: Number(row['attempts']),
    nextAttemptAt: date(row['next_attempt_at']),
    revision: text(row['revision']),
    updatedAt: new Date(String(row['updated_at'])),
  };
}

function toTask(row: Row): TaskRecord {
  const output = text(row['output']);
  return {
    path: String(row['path']),
    action: String(row['action']),
    type: String(row['type']),
    object: String(row['object']),
    target: String(row['target']),
    fingerprint: String(row['fingerprint']),
    state: row['state'] as TaskState,
    output: output === undefined ? undefined : (JSON.parse(output) as unknown),
    failure: toFailure(row),
    startedAt: new Date(String(row['started_at'])),
    finishedAt: date(row['finished_at']),
  };
}

function toFailure(row: Row): Failure | undefined {
  const reason = text(row['reason']);
  if (reason === undefined) return undefined;
  return {
    reason: reason as FailureReason,
    retry: text(row['retry']) as RetryClass,
    message: text(row['message']) ?? '',
  };
}

function text(value: string | number | null | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value);
}

function date(value: string | number | null | undefined): Date | undefined {
  const iso = text(value);
  return iso === undefined ? undefined : new Date(iso);
}
