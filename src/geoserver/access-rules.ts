import { AgentError } from '../lib/errors.js';
import type { Change } from './change.js';
import { record, sameSet, text } from './json.js';
import type { Rest } from './rest.js';

const FILE = '/rest/resource/security/layers.properties';
const RULES = '/rest/security/acl/layers.json';
const MODE = '/rest/security/acl/catalog.json';
/** GeoServer looks after the file every one or two seconds, when it needs the rules. */
const POLL_MS = 250;
const PATIENCE_MS = 15_000;

export interface AccessRules {
  /** `HIDE`, `MIXED` or `CHALLENGE`; undefined when the file says nothing. */
  readonly mode: string | undefined;
  /** Roles by `workspace.layer.mode` (r, w or a). */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

/**
 * Puts the whole file of layer access rules in place and waits until GeoServer goes by it; nothing is reloaded. Rules
 * that are in force already are left alone. Throws AgentError('invalid-data', final) for a file that GeoServer could
 * not read, 'timed-out' when it does not take it within 15 s.
 */
export async function putAccessRules(rest: Rest, file: string, signal: AbortSignal): Promise<Change> {
  const wanted = parseAccessRules(file);
  if (await inForce(rest, wanted, signal)) return 'unchanged';
  await rest.write({ method: 'PUT', path: FILE, body: file, type: 'text/plain' }, signal);
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    if (await inForce(rest, wanted, signal)) return 'updated';
    await rest.clock.sleep(POLL_MS, signal);
  }
  throw new AgentError('timed-out', 'GeoServer has not taken the new layer access rules', {
    retry: 'transient',
    hint: 'Look into the log of GeoServer.',
  });
}

/** Reads a Java properties file of access rules, and checks each rule. */
export function parseAccessRules(file: string): AccessRules {
  const pairs = new Map(logicalLines(file).map(splitProperty));
  const { mode } = Object.fromEntries(pairs);
  if (mode !== undefined && !/^(HIDE|MIXED|CHALLENGE)$/i.test(mode)) throw refused(`unknown mode ${mode}`);
  const rules = [...pairs].filter(([key]) => key !== 'mode');
  for (const [key] of rules) if (!isRule(key)) throw refused(`no rule: ${key}`);
  return { mode: mode?.toUpperCase(), rules: new Map(rules.map(([key, value]) => [key, rolesOf(value)])) };
}

async function inForce(rest: Rest, wanted: AccessRules, signal: AbortSignal): Promise<boolean> {
  const actual = Object.entries(record(await rest.getJson(RULES, signal)));
  const same =
    actual.length === wanted.rules.size &&
    actual.every(([key, roles]) => sameSet(rolesOf(text(roles)), wanted.rules.get(key) ?? ['\0']));
  if (!same || wanted.mode === undefined) return same;
  return record(await rest.getJson(MODE, signal))['mode'] === wanted.mode;
}

/** `workspace.layer.mode`: GeoServer has no way to write a name that has a dot. */
function isRule(key: string): boolean {
  return /^[^.]+\.[^.]+\.[rwa]$/.test(key);
}

function rolesOf(value: string): readonly string[] {
  return value.split(/[\s,]+/).filter((role) => role !== '');
}

function refused(why: string): AgentError {
  return new AgentError('invalid-data', `layers.properties: ${why}`, {
    retry: 'final',
    hint: 'Mend the file on the master.',
  });
}

/** Without comments and blank lines; a backslash at the end joins the next line. */
function logicalLines(file: string): readonly string[] {
  const lines: string[] = [];
  let joined = '';
  for (const line of file.split(/\r\n|\n|\r/)) {
    const part = joined === '' ? line : line.trimStart();
    if (joined === '' && /^\s*([#!]|$)/.test(line)) continue;
    const continues = (/\\*$/.exec(part)?.[0].length ?? 0) % 2 === 1;
    joined += continues ? part.slice(0, -1) : part;
    if (continues) continue;
    lines.push(joined.trimStart());
    joined = '';
  }
  return joined === '' ? lines : [...lines, joined.trimStart()];
}

/** Java reads no file with such a one. */
const BROKEN_ESCAPE = /(?<!\\)(?:\\\\)*(\\u(?![0-9a-fA-F]{4}).{0,4})/;

/** The key ends at the first `=`, `:` or blank that no backslash precedes. */
function splitProperty(line: string): readonly [string, string] {
  const broken = BROKEN_ESCAPE.exec(line)?.[1];
  if (broken !== undefined) throw refused(`${broken} is no Unicode escape`);
  const [, key = '', value = ''] = /^((?:\\.|[^\\=:\s])*)\s*[=:]?\s*([\s\S]*)$/.exec(line) ?? [];
  return [unescape(key), unescape(value).trim()];
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescape(value: string): string {
  return value.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, code: string | undefined, char: string) =>
    code === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
