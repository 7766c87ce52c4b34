import type { Job } from '../jobs/job.js';
import type { Kind } from '../jobs/kind.js';
import { checkSpec } from '../jobs/parse.js';
import { toAgentError } from '../lib/errors.js';
import { digest } from '../lib/hash.js';
import type { PublicationRecord } from '../state/records.js';
import type { Conflict } from './conflicts.js';

export interface RemovalInput {
  /** Publications whose task file is gone, or asks for something else now, or that are to be pruned. */
  readonly publications: readonly PublicationRecord[];
  readonly kinds: readonly Kind[];
  /** Identities that task files of the target revision publish, with their kinds: these stay, whoever brought them. */
  readonly published: ReadonlyMap<string, string>;
}

export interface Removals {
  readonly jobs: readonly Job[];
  /** Publications that another task file has taken over: nothing to remove, only the record changes hands. */
  readonly handedOver: readonly PublicationRecord[];
  /** What the record holds and this version cannot read: said, and nothing else is kept from being done. */
  readonly refused: readonly Conflict[];
}

/**
 * Turns publications that are no longer wanted into removal jobs. Everything they need is in the record: the task file
 * and its meta file may be gone.
 */
export function planRemovals(input: RemovalInput): Removals {
  const kinds = new Map(input.kinds.map((kind) => [kind.name, kind]));
  const jobs: Job[] = [];
  const handedOver: PublicationRecord[] = [];
  const refused: Conflict[] = [];
  for (const publication of input.publications) {
    const kind = kinds.get(publication.kind);
    const action = kind?.actions['remove'];
    if (kind === undefined || action === undefined) continue;
    if (input.published.get(publication.identity) === publication.kind) {
      handedOver.push(publication);
      continue;
    }
    const job: Job = {
      path: publication.path,
      channel: publication.channel,
      kind: kind.name,
      action: 'remove',
      identity: publication.identity,
      name: publication.name,
      key: `remove ${publication.identity} ${digest(publication.spec)}`,
      generation: publication.generation,
      spec: publication.spec,
      tasks: action.tasks,
    };
    try {
      jobs.push({ ...job, spec: checkSpec(publication.path, publication.spec, action) });
    } catch (error) {
      refused.push({ job, error: toAgentError(error) });
    }
  }
  return { jobs, handedOver, refused };
}
