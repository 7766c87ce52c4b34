import type { FailureReason, RetryClass } from '../lib/errors.js';
import type { Row } from './database.js';
import type {
  Failure,
  FileRecord,
  FileState,
  PublicationRecord,
  RunRecord,
  TaskRecord,
  TaskState,
} from './records.js';

// Rows of the record's tables (see schema.ts) as what the program works with.

export function toFile(row: Row): FileRecord {
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
    dueAt: date(row['due_at']),
    revision: text(row['revision']),
    updatedAt: new Date(String(row['updated_at'])),
  };
}

export function toTask(row: Row): TaskRecord {
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

export function toPublication(row: Row): PublicationRecord {
  return {
    path: String(row['path']),
    generation: String(row['generation']),
    identity: String(row['identity']),
    kind: String(row['kind']),
    channel: String(row['channel']),
    name: String(row['name']),
    spec: JSON.parse(String(row['spec'])) as Record<string, unknown>,
  };
}

export function toRun(row: Row): RunRecord {
  return {
    id: Number(row['id']),
    command: String(row['command']),
    revision: text(row['revision']),
    startedAt: new Date(String(row['started_at'])),
    finishedAt: date(row['finished_at']),
    outcome: text(row['outcome']),
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

export function text(value: string | number | null | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value);
}

function date(value: string | number | null | undefined): Date | undefined {
  const iso = text(value);
  return iso === undefined ? undefined : new Date(iso);
}
