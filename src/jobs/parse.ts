import { AgentError } from '../lib/errors.js';
import { sha256 } from '../lib/hash.js';
import type { FileReference } from './job.js';
import type { ActionDefinition, Spec } from './kind.js';
import type { Location } from './locate.js';
import { fileReference } from './fields.js';
import { parseJson } from './json.js';

/** A task file as read, before its meta file is merged into it. */
export interface TaskFile {
  readonly path: string;
  readonly location: Location;
  readonly action: string;
  readonly content: Spec;
  readonly contentHash: string;
  readonly meta: FileReference | undefined;
}

const MAX_BYTES = 10 * 1024 * 1024;

/**
 * Reads the bytes of a task file. Throws AgentError 'invalid-task-file' (final) that says what is wrong and where.
 */
export function parseTaskFile(path: string, bytes: Uint8Array, location: Location): TaskFile {
  const contentHash = sha256(bytes);
  if (bytes.length > MAX_BYTES)
    throw invalid(path, `has ${bytes.length} bytes, more than the ${MAX_BYTES} allowed`);
  const source = decode(path, bytes);
  const content = 'folder' in location.kind.place ? parseObject(path, source) : { text: source };
  const action = content['action'] ?? location.defaultAction;
  if (typeof action !== 'string' || !Object.hasOwn(location.kind.actions, action)) {
    const known = Object.keys(location.kind.actions).join(', ');
    throw invalid(path, `has the unknown action ${shortened(action)} (known here: ${known})`);
  }
  return { path, location, action, content, contentHash, meta: metaOf(path, content) };
}

/** Checks the merged task file against the schema of its action. Throws AgentError naming each wrong key. */
export function checkSpec(path: string, merged: Spec, action: ActionDefinition): Spec {
  const result = action.schema.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
    // Of a key that is no name, the reason lies inside.
    const reason = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return `${issue.path.join('.').slice(0, 200) || 'the file'}: ${missing ? 'is missing' : reason}`;
  });
  throw invalid(path, problems.slice(0, 10).join('; '));
}

/** A meta file's bytes as an object. Throws AgentError 'invalid-task-file'. */
export function parseMetaFile(path: string, bytes: Uint8Array): Spec {
  const what = `${path} (its meta file)`;
  return parseObject(what, decode(what, bytes));
}

function metaOf(path: string, content: Spec): FileReference | undefined {
  if (content['meta'] === undefined || content['meta'] === null) return undefined;
  const result = fileReference.safeParse(content['meta']);
  if (result.success) return result.data;
  throw invalid(
    path,
    `meta: ${result.error.issues.map((i) => `${i.path.join('.')} ${i.message}`).join('; ')}`,
  );
}

function parseObject(path: string, source: string): Spec {
  let value: unknown;
  try {
    value = parseJson(source);
  } catch (error) {
    throw invalid(path, `is no valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw invalid(path, 'holds no JSON object');
  return value as Spec;
}

/** A value of the file, for a message. */
function shortened(value: unknown): string {
  return JSON.stringify(value).slice(0, 200);
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(path, 'is no valid UTF-8');
  }
}

function invalid(path: string, problem: string): AgentError {
  return new AgentError('invalid-task-file', `${path}: ${problem}`, {
    retry: 'final',
    hint: 'The file has to be mended where it is published; this slave tries again when it changes.',
  });
}
