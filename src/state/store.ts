import { randomBytes } from 'node:crypto';
import { RecordDatabase } from './database.js';
import type { Access } from './open.js';
import type { Failure, FileRecord, PublicationRecord, RunRecord, TaskKey, TaskRecord } from './records.js';
import { text, toFile, toPublication, toRun, toTask } from './rows.js';

/** The record: what each task file asked for, and what was applied. See RecordDatabase for when it is safe from what. */
export class StateStore {
  readonly database: RecordDatabase;

  constructor(folder: string, access: Access = 'write') {
    this.database = new RecordDatabase(folder, access);
  }

  get folder(): string {
    return this.database.folder;
  }

  close(): void {
    this.database.close();
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
    const [row] = this.database.read('SELECT value FROM setting WHERE key = ?', key);
    return text(row?.['value']);
  }

  setSetting(key: string, value: string): void {
    this.database.write(
      'INSERT INTO setting VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      key,
      value,
    );
  }

  files(): Map<string, FileRecord> {
    return new Map(this.database.read('SELECT * FROM file').map((row) => [String(row['path']), toFile(row)]));
  }

  saveFile(file: FileRecord): void {
    this.database.write(
      'INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
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
      file.dueAt?.toISOString() ?? null,
    );
  }

  /** Forgets a task file and its tasks; what it published stays in `publications` until that is removed. */
  deleteFile(path: string): void {
    this.database.transaction(() => {
      this.database.write('DELETE FROM file WHERE path = ?', path);
      this.database.write('DELETE FROM task WHERE path = ?', path);
    });
  }

  publications(): PublicationRecord[] {
    return this.database.read('SELECT * FROM publication ORDER BY path').map(toPublication);
  }

  /** The paths of `publications`, without reading the rest. */
  publishedPaths(): Set<string> {
    return new Set(this.database.read('SELECT path FROM publication').map((row) => String(row['path'])));
  }

  savePublication(p: PublicationRecord): void {
    this.database.write(
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
    this.database.write('DELETE FROM publication WHERE path = ? AND identity = ?', path, identity);
  }

  /** The task records of all files, by path. */
  tasks(): Map<string, TaskRecord[]> {
    const byPath = new Map<string, TaskRecord[]>();
    for (const task of this.database.read('SELECT * FROM task').map(toTask)) {
      const known = byPath.get(task.path);
      if (known) known.push(task);
      else byPath.set(task.path, [task]);
    }
    return byPath;
  }

  tasksOf(path: string): TaskRecord[] {
    return this.database.read('SELECT * FROM task WHERE path = ? ORDER BY started_at', path).map(toTask);
  }

  /** Resolves when it survives the death of this process. */
  async taskStarted(keys: readonly (TaskKey & { fingerprint: string })[], at: Date): Promise<void> {
    for (const k of keys)
      this.database.write(
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
    await this.database.written();
  }

  /**
   * Resolves when it survives the death of this process. What the same task did for another object (the dump before this
   * one) is forgotten when it is done, so that the record does not grow with every revision.
   */
  async taskFinished(
    keys: readonly TaskKey[],
    at: Date,
    result: { output?: unknown; failure?: Failure },
  ): Promise<void> {
    for (const k of keys) {
      this.database.write(
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
      // A file may have two removals: of what it was, and of what it was before that.
      if (result.failure === undefined && k.action !== 'remove')
        this.database.write(
          'DELETE FROM task WHERE path = ? AND action = ? AND type = ? AND target = ? AND object <> ?',
          k.path,
          k.action,
          k.type,
          k.target,
          k.object,
        );
    }
    await this.database.written();
  }

  /** What was done for a file is due again; that and how it was done stays known. */
  forgetFingerprints(path: string, action: string): void {
    this.database.write("UPDATE task SET fingerprint = '' WHERE path = ? AND action = ?", path, action);
  }

  /** Whether a file waits to be applied. */
  hasOpenFiles(): boolean {
    return this.database.read("SELECT 1 FROM file WHERE state IN ('pending', 'failed') LIMIT 1").length > 0;
  }

  /** Forgets the steps of a file whose action is not this one, so that publish, remove, publish starts anew. */
  deleteOtherActions(path: string, action: string): void {
    this.database.write('DELETE FROM task WHERE path = ? AND action <> ?', path, action);
  }

  made(target: string, type: string, owner: string): string[] {
    return this.database
      .read('SELECT name FROM made WHERE target = ? AND type = ? AND owner = ?', target, type, owner)
      .map((row) => String(row['name']));
  }

  ownerOf(target: string, type: string, name: string): string | undefined {
    const [row] = this.database.read(
      'SELECT owner FROM made WHERE target = ? AND type = ? AND name = ?',
      target,
      type,
      name,
    );
    return text(row?.['owner']);
  }

  /**
   * Resolves when it survives the death of this process. After a power loss at that moment a style may be there that nobody
   * is known to have made: it is used, and left behind when its layer goes.
   */
  async addMade(target: string, type: string, name: string, owner: string): Promise<void> {
    this.database.write('INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?)', target, type, name, owner);
    await this.database.written();
  }

  deleteMade(target: string, type: string, name: string): void {
    this.database.write('DELETE FROM made WHERE target = ? AND type = ? AND name = ?', target, type, name);
  }

  /** Forgets what was done for a file, so that all of it is due again. */
  deleteTasks(path: string): void {
    this.database.write('DELETE FROM task WHERE path = ?', path);
  }

  startRun(command: string, at: Date): number {
    this.database.write('DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - 1000');
    const row = this.database.write(
      'INSERT INTO run (command, started_at) VALUES (?, ?)',
      command,
      at.toISOString(),
    );
    return Number(row.lastInsertRowid);
  }

  /** Durable, with everything that the run has written. */
  finishRun(id: number, at: Date, result: { revision?: string; outcome: string; summary: unknown }): void {
    this.database.durably(() =>
      this.database.write(
        'UPDATE run SET finished_at = ?, revision = ?, outcome = ?, summary = ? WHERE id = ?',
        at.toISOString(),
        result.revision ?? null,
        result.outcome,
        JSON.stringify(result.summary),
        id,
      ),
    );
  }

  lastRun(outcome?: string): RunRecord | undefined {
    const [row] =
      outcome === undefined
        ? this.database.read('SELECT * FROM run ORDER BY id DESC LIMIT 1')
        : this.database.read('SELECT * FROM run WHERE outcome = ? ORDER BY id DESC LIMIT 1', outcome);
    return row === undefined ? undefined : toRun(row);
  }
}
