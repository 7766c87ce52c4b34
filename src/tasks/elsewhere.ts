import { loadKinds } from '../jobs/load-kinds.js';
import { isListened, locate } from '../jobs/locate.js';
import { parseTaskFile } from '../jobs/parse.js';
import type { Kind } from '../jobs/kind.js';
import type { DesiredFile } from './compare.js';

export interface ElsewhereInput {
  /** All files of the revision. */
  readonly entries: readonly DesiredFile[];
  /** Their bytes, by path; one that cannot be read is missing. */
  readonly read: (paths: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>;
  readonly channels: readonly string[];
}

interface Published {
  readonly identities: ReadonlySet<string>;
  /** Some file says neither inside nor by its name what it publishes: its meta file is on the master, for others to fetch. */
  readonly hasUnknown: boolean;
}

/**
 * Whether a task file of a channel that is not listened to publishes something, or may. Nothing is read before the first
 * question, and then the files of that one kind.
 */
export function makeElsewhere(input: ElsewhereInput): (identity: string, kind: string) => Promise<boolean> {
  const known = new Map<string, Promise<Published>>();
  return async (identity, kind) => {
    const asked = known.get(kind) ?? publishedElsewhere(kind, input);
    known.set(kind, asked);
    // Asked again when it failed: what comes from a command may work the next time.
    asked.catch(() => known.delete(kind));
    const { identities, hasUnknown } = await asked;
    return hasUnknown || identities.has(identity);
  };
}

async function publishedElsewhere(
  kindName: string,
  { entries, read, channels }: ElsewhereInput,
): Promise<Published> {
  const kinds = (await loadKinds()).filter(({ name }) => name === kindName);
  const files = entries.flatMap(({ path, type }) => {
    const location = type === 'file' && !isListened(path, channels) ? locate(path, kinds) : undefined;
    return location === undefined ? [] : [{ path, location }];
  });
  const contents =
    files.length === 0 ? new Map<string, Uint8Array>() : await read(files.map(({ path }) => path));
  const identities = new Set<string>();
  let hasUnknown = false;
  for (const { path, location } of files) {
    const bytes = contents.get(path);
    const file = bytes === undefined ? undefined : tryTo(() => parseTaskFile(path, bytes, location));
    if (file !== undefined && file.action !== 'publish') continue;
    const { workspace, name } = file?.content ?? {};
    const isNamed = typeof workspace === 'string' && typeof name === 'string';
    const found =
      file !== undefined && isNamed ? [location.kind.identityOf(file.content)] : namedBy(path, location.kind);
    for (const identity of found) identities.add(identity);
    hasUnknown ||= found.length === 0;
  }
  return { identities, hasUnknown };
}

/** What a file may publish by its name: workspaces and names have dots of their own. */
function namedBy(path: string, kind: Kind): string[] {
  if (kind.fileNames !== 'workspace.name') return [];
  const parts = path.slice(path.lastIndexOf('/') + 1, -'.json'.length).split('.');
  return parts.slice(1).map((_, index) =>
    kind.identityOf({
      workspace: parts.slice(0, index + 1).join('.'),
      name: parts.slice(index + 1).join('.'),
    }),
  );
}

/** Undefined for a file that is not as it should be: who listens to it is told. */
function tryTo<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
