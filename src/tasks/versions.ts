import type { Kind, Spec } from '../jobs/kind.js';
import { digest } from '../lib/hash.js';
import type { FileRecord, PublicationRecord } from '../state/records.js';
import { claims } from './conflicts.js';
import type { Verdict } from './judge.js';

/**
 * What is published under each identity, as a digest of the task files that make it and, for what is made of others, of those
 * in turn. A file that has failed counts anew with each attempt: what is made of it is done again when it is.
 */
export function versionsOf(
  verdicts: readonly Verdict[],
  files: ReadonlyMap<string, FileRecord>,
  publications: readonly PublicationRecord[],
  kinds: readonly Kind[],
): (identity: string) => string {
  const parts = new Map<string, readonly string[]>();
  const partsOf = partsByKind(kinds);
  for (const { identity, kind, spec } of publications) parts.set(identity, partsOf(kind, spec));
  const sources = new Map<string, { readonly identity: string; readonly version: string }>();
  for (const file of files.values())
    if (file.identity !== undefined)
      sources.set(file.path, { identity: file.identity, version: `${file.contentHash} ${attemptOf(file)}` });
  for (const verdict of verdicts) {
    if (verdict.type !== 'job') continue;
    const { job, file } = verdict;
    const record = files.get(job.path);
    const attempt = record?.contentHash === file.contentHash ? attemptOf(record) : 0;
    sources.set(job.path, { identity: job.identity, version: `${file.contentHash} ${attempt}` });
    if (claims(job.action)) parts.set(job.identity, file.location.kind.dependsOn?.(job.spec) ?? []);
  }
  const own = new Map<string, string[]>();
  for (const [path, { identity, version: one }] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1)))
    own.set(identity, [...(own.get(identity) ?? []), `${path} ${one}`]);
  return (identity) => {
    // In which order they are put together is in the task files themselves; a circle, or a part named twice, adds nothing.
    const all = new Set([identity]);
    for (const one of all) for (const part of parts.get(one) ?? []) all.add(part);
    return digest([...all].sort().map((one) => [one, own.get(one) ?? []]));
  };
}

function partsByKind(kinds: readonly Kind[]): (kind: string, spec: Spec) => readonly string[] {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  return (kind, spec) => byName.get(kind)?.dependsOn?.(spec) ?? [];
}

function attemptOf(file: FileRecord): number {
  return file.state === 'failed' || file.state === 'pending' ? file.attempts + 1 : 0;
}

/** Paths of what is made of these, directly or through others. */
export function madeOf(
  identities: ReadonlySet<string>,
  publications: readonly PublicationRecord[],
  kinds: readonly Kind[],
): Set<string> {
  const partsOf = partsByKind(kinds);
  const touched = new Set(identities);
  const paths = new Set<string>();
  for (let before = -1; before !== paths.size;) {
    before = paths.size;
    for (const { path, identity, kind, spec } of publications)
      if (partsOf(kind, spec).some((part) => touched.has(part))) {
        paths.add(path);
        touched.add(identity);
      }
  }
  return paths;
}
