import type { Spec } from '../jobs/kind.js';
import { AgentError } from '../lib/errors.js';
import { parseLocation } from '../transfer/source.js';
import type { Desired } from './desired.js';

/** What the task files name, whatever their kind: keys are read, kinds are not asked for. */

const SCHEMA_KEYS = ['schema', 'data_schema', 'outdated_schema'];

/** The schemas that task files publish into. */
export function schemasOf(desired: Desired | undefined): string[] {
  const names = published(desired).flatMap((spec) => SCHEMA_KEYS.map((key) => spec[key]));
  return unique(names.filter((name) => typeof name === 'string'));
}

/** The workspaces that task files publish into. */
export function workspacesOf(desired: Desired | undefined): string[] {
  return unique(
    published(desired).flatMap(({ workspace }) => (typeof workspace === 'string' ? workspace : [])),
  );
}

/** The hosts that task files name for their data, each with one of the files. */
export function hostsOf(desired: Desired | undefined): Map<string, string> {
  const hosts = new Map<string, string>();
  for (const text of published(desired).flatMap(fileNames)) {
    const location = locationOf(text);
    if (location?.host !== undefined && !hosts.has(location.host)) hosts.set(location.host, location.path);
  }
  return hosts;
}

/** As far as known: with the meta files that are here, and normalised where nothing is wrong with them. */
function published(desired: Desired | undefined): Spec[] {
  if (desired === undefined) return [];
  const wanted = desired.files.filter((file) => file.action !== 'remove');
  const merged = new Map(desired.ready.map((one) => [one.file, one.merged]));
  return wanted.map((file) => {
    const spec = merged.get(file) ?? file.content;
    return file.location.kind.actions[file.action]?.schema.safeParse(spec).data ?? spec;
  });
}

/** Values of `file` (at any depth) and of the oldest form's `dump_path` and `style_path`. */
function fileNames(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'string' ? (/^(file|dump_path|style_path)$/.test(key) ? inner : []) : fileNames(inner),
  );
}

function locationOf(text: string): ReturnType<typeof parseLocation> | undefined {
  try {
    return parseLocation(text);
  } catch (error) {
    // A path that a run refuses: that job fails, no host is to be asked.
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
