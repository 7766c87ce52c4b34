import { run } from '../../lib/process.js';
import { gitEnvironment } from '../environment.js';
import { findFollowedBranch } from './followed.js';

/** Which git hook calls: `reference-transaction` with its state, or `pre-receive` of a repository that is pushed to. */
export const GIT_HOOK_PHASES = ['prepared', 'committed', 'aborted', 'pre-receive'] as const;
export type GitHookPhase = (typeof GIT_HOOK_PHASES)[number];

export interface RefUpdate {
  readonly oldId: string;
  readonly newId: string;
  readonly ref: string;
}

const NO_ID = /^0+$/;

/** The lines that git writes to a hook's stdin: `<old id> <new id> <ref>`. Others are left out. */
export function parseRefUpdates(input: string): RefUpdate[] {
  return input.split('\n').flatMap((line) => {
    const [, oldId, newId, ref] = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (.+)$/.exec(line) ?? [];
    return oldId === undefined || newId === undefined || ref === undefined ? [] : [{ oldId, newId, ref }];
  });
}

/**
 * The update of the followed ref that is to be judged. `undefined` when there is none: other refs, deletions (there is
 * nothing to reconcile with), and the second half of `git pack-refs`, which deletes the loose refs it has packed.
 */
export function followedUpdate(updates: readonly RefUpdate[], ref: string): RefUpdate | undefined {
  return updates.find(
    (update) => update.ref === ref && !NO_ID.test(update.newId) && update.newId !== update.oldId,
  );
}

export interface GitHookOptions {
  /** The repository that the hook runs in. */
  readonly root: string;
  readonly phase: GitHookPhase;
  /** The hook's stdin. */
  readonly input: string;
  readonly branch?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The revision that a git hook has to judge, for `openRepository({ revision })`; `undefined` when there is nothing to
 * do. Only `prepared` and `pre-receive` can still refuse, so all other phases are nothing. `git gc` and
 * `git pack-refs` announce every ref as `0 -> X` although nothing changes: an old id of zero says "not checked", not
 * "new", and the ref's present value decides.
 */
export async function incomingRevision(options: GitHookOptions): Promise<string | undefined> {
  if (options.phase !== 'prepared' && options.phase !== 'pre-receive') return undefined;
  const updates = parseRefUpdates(options.input);
  if (updates.length === 0) return undefined;
  const followed = await findFollowedBranch(options.root, options);
  const update = followedUpdate(updates, followed.ref);
  if (update === undefined) return undefined;
  if (!NO_ID.test(update.oldId)) return update.newId;
  const present = await run('git', ['rev-parse', '--verify', '--quiet', update.ref], {
    cwd: options.root,
    env: gitEnvironment(options.env, followed.gitDir),
    okCodes: [0, 1],
    signal: options.signal,
    timeoutMs: 60_000,
  });
  return present.stdout.toString('latin1').trim() === update.newId ? undefined : update.newId;
}
