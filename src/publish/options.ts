import { nameProblem } from '../jobs/fields.js';
import type { Clock } from '../lib/clock.js';
import { AgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';

/** The state repository that a publication is committed to. */
export interface CommitOptions {
  /** The working copy of the state repository (hg or git), or a folder inside it. */
  readonly repository: string;
  readonly channel: string;
  /** Also push the commit to the repository that this one was cloned from. */
  readonly push?: boolean | undefined;
  /** The ssh command line for the push, as a shell line; the VCS's own when missing. */
  readonly ssh?: string | undefined;
  /** The commit's message; by default it says what was published. */
  readonly message?: string | undefined;
  /** The process's environment: PG* variables, user names, agents. */
  readonly env: NodeJS.ProcessEnv;
}

/** Where the files of a publication go to. */
export interface DataOptions {
  /** The folder of dumps, styles and meta files, which slaves fetch from. */
  readonly dataRoot: string;
  /** How slaves reach that folder: `user@host:`, or empty where they have it at the same path. */
  readonly remote: string;
}

export interface PublishDeps {
  readonly log: Logger;
  readonly clock: Clock;
}

export interface Published {
  /** The task file's path in the state repository. */
  readonly taskFile: string;
  /** The commit. */
  readonly revision: string;
  /** What a slave will do differently, in sentences. */
  readonly notes: readonly string[];
}

/** A layer's place: the workspace and the name of table and layer. */
export interface LayerName {
  readonly workspace: string;
  readonly name: string;
}

/** Refuses, with AgentError 'invalid-config', what no slave would take as channel, workspace or layer. */
export function checkNames({
  channel,
  workspace,
  name,
}: {
  readonly channel: string;
  readonly workspace?: string;
  readonly name?: string;
}): void {
  for (const [what, value] of Object.entries({ channel, workspace, name })) {
    if (value === undefined) continue;
    const problem = nameProblem(value) ?? (value.startsWith('.') ? 'starts with a dot' : undefined);
    if (problem !== undefined) throw refused(`the ${what} ${JSON.stringify(value)} ${problem}`);
  }
  // The file is named <workspace>.<name>.json: a.b + c and a + b.c would be one.
  if (workspace?.includes('.')) throw refused(`the workspace ${workspace} has a dot`);
  if (name !== undefined && /\.(meta|empty_gwc)$/.test(name))
    throw refused(`the name ${name} ends like another sort of task file`);
}

export function refused(message: string, hint?: string): AgentError {
  return new AgentError('invalid-config', message, {
    retry: 'final',
    ...(hint === undefined ? {} : { hint }),
  });
}
