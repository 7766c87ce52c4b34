/**
 * The record's schema as a list of migrations: index + 1 is the version in `PRAGMA user_version`. A migration that
 * has been released is never edited; a change is a new entry at the end.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- One row per task file that was looked at: what it asked for when it was last read, and what became of it.
  CREATE TABLE file (
    path TEXT PRIMARY KEY,
    blob_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    settings TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    action TEXT NOT NULL,
    identity TEXT,
    name TEXT,
    spec TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    retry TEXT,
    message TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TEXT,
    revision TEXT,
    updated_at TEXT NOT NULL
  ) WITHOUT ROWID;

  -- What this slave may hold because of a task file. Written before the first task acts and deleted when the removal
  -- is done, so that a removal never needs a file from the master, whatever happened in between.
  CREATE TABLE publication (
    path TEXT NOT NULL,
    identity TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (path, identity)
  ) WITHOUT ROWID;

  -- One row per step of a job and target; found 'started' after a crash means: do it again.
  CREATE TABLE task (
    path TEXT NOT NULL,
    action TEXT NOT NULL,
    type TEXT NOT NULL,
    object TEXT NOT NULL,
    target TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    output TEXT,
    reason TEXT,
    retry TEXT,
    message TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    PRIMARY KEY (path, action, type, object, target)
  ) WITHOUT ROWID;

  -- Things made on a server that only their maker may delete (styles).
  CREATE TABLE made (
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (target, type, name)
  ) WITHOUT ROWID;
  CREATE INDEX made_by_owner ON made (owner);

  CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    revision TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    outcome TEXT,
    summary TEXT
  );
  `,
  `
  -- What the master is to show, for each row of its tables: one entry for each task file that has a say in it.
  CREATE TABLE report (
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (key, source)
  ) WITHOUT ROWID;

  -- The rows that the master has yet to be sent, in the order in which they changed. A number is never used twice, so
  -- that a row which changes while it is being sent stays. refusal: what the master said when it would not take it.
  CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    refusal TEXT
  );
  `,
  `
  -- Set anew with each publication: tasks that were done before its removal do not count for the next one.
  ALTER TABLE publication ADD COLUMN generation TEXT NOT NULL DEFAULT '';
  `,
  `
  -- When a job was last due by time: its tasks are done once for each such time, however often they are interrupted.
  ALTER TABLE file ADD COLUMN due_at TEXT;
  `,
];
