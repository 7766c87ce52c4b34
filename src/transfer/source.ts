import { posix } from 'node:path';
import { AgentError } from '../lib/errors.js';

/** Where a file lies: on a host that is reached by ssh, or (no host) on this machine. */
export interface Location {
  /** `host` or `user@host`, safe as an argument of ssh and rsync. */
  readonly host: string | undefined;
  /** Absolute and normalised. */
  readonly path: string;
}

const USER = String.raw`[A-Za-z0-9_][A-Za-z0-9_.-]*`;
const NAME = String.raw`[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?`;
const IPV6 = String.raw`\[[0-9A-Fa-f:.]+\]`;
const HOST = new RegExp(`^(?:${USER}@)?(?:${NAME}|${IPV6})$`);

const MAX_PATH = 1024;
/** A file system's limit, less what rsync adds to the name of a temporary file. */
const MAX_NAME = 240;
/** Less what is appended to the name of a second version. */
const MAX_CACHE_NAME = 220;

/**
 * Reads `user@host:/absolute/path` or `/absolute/path`. The text comes from a task file and may be hostile: what could
 * become an option or a shell word, leave its folder, or reach an rsync daemon (`host::module`) is refused with
 * AgentError 'invalid-task-file'.
 */
export function parseLocation(text: string): Location {
  if (text.length > 2 * MAX_PATH) throw refused(text, 'is too long for a path');
  if (text.startsWith('/')) return { host: undefined, path: checkPath(text, text) };
  const colon = text.indexOf(':/');
  if (colon < 0 || text.startsWith('://', colon))
    throw refused(text, 'is neither `user@host:/absolute/path` nor `/absolute/path`');
  return { host: checkHost(text.slice(0, colon), text), path: checkPath(text.slice(colon + 1), text) };
}

/** The host as ssh takes it: without the brackets of an IPv6 address. */
export function sshHost(host: string): string {
  return host.replace(/[[\]]/g, '');
}

/**
 * Checks a name in the cache: `….db`, `….tar` or `….sld`, or `meta/….json`. Refused with AgentError 'invalid-task-file':
 * other forms, names that start with a dot, control characters, names that are too long.
 */
export function checkCacheName(name: string): string {
  if (!/^(?:meta\/[^/.][^/]*\.json|[^/.][^/]*\.(?:db|tar|sld))$/.test(name) || isUnsafe(name))
    throw refused(name, 'cannot be the name of a file in the cache');
  if (Buffer.byteLength(name) > MAX_CACHE_NAME) throw refused(name, 'is too long for the name of a file');
  return name;
}

/** Checks a path below some folder, for instance a preview's; the same rules as for an absolute one. */
export function checkRelativePath(relative: string): string {
  if (relative.startsWith('/')) throw refused(relative, 'is not relative');
  return checkPath(`/${relative}`, relative).slice(1);
}

function checkHost(host: string, text: string): string {
  if (!HOST.test(host)) throw refused(text, 'does not name a host as `user@host`');
  return host;
}

function checkPath(path: string, text: string): string {
  if (isUnsafe(path)) throw refused(text, 'holds a control character or a backslash');
  const names = path.split('/');
  if (names.includes('..')) throw refused(text, 'holds `..`');
  if (Buffer.byteLength(path) > MAX_PATH || names.some((name) => Buffer.byteLength(name) > MAX_NAME))
    throw refused(text, 'is too long for a path');
  const normal = posix.normalize(path);
  if (normal.endsWith('/')) throw refused(text, 'names a folder');
  return normal;
}

/** rsync prints control characters and a backslash escaped, so that its answers could not be matched to the path. */
function isUnsafe(text: string): boolean {
  return /[\p{Cc}\\]/u.test(text) || !text.isWellFormed();
}

function refused(text: string, why: string): AgentError {
  return new AgentError('invalid-task-file', `${JSON.stringify(text.slice(0, 200))} ${why}`, {
    retry: 'final',
    hint: 'Correct the path in the task file.',
  });
}
