import { realpathSync } from 'node:fs';
import { runInPlace } from '../lib/process.js';
import { programFolder, update, type Update } from '../update.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Set in a re-executed process: the program file that it was started as. */
const REEXECUTED = 'SLAVE_SYNC_REEXECUTED';
/** A re-executed daemon asks by this exit code to be started anew: its parent does it, so that there are never three. */
const START_ANEW = 85;

/** What a single run has to do first. */
export type Before =
  | { readonly type: 'end'; readonly exitCode: number }
  /** Go on with this version; the hindrance is for the master's people. */
  | { readonly type: 'go-on'; readonly hindrance: string | undefined };

/**
 * Before a single run: updates the program where CODE_BRANCH says so; a new version does the work in place of this
 * process. `input` is what was read from stdin already.
 */
export async function updateFirst(session: Session, input?: string): Promise<Before> {
  if (process.env[REEXECUTED] !== undefined) return { type: 'go-on', hindrance: undefined };
  const result = await updateProgram(session);
  if (result.outcome === 'switched') return { type: 'end', exitCode: await reexecute(result.cli, input) };
  return { type: 'go-on', hindrance: hindranceOf(result) };
}

/** Why the program is not what CODE_BRANCH says. */
export function hindranceOf(result: Update): string | undefined {
  return result.outcome === 'failed' ? result.message : undefined;
}

export async function updateProgram({ config, clock, log, stop, envFile }: Session): Promise<Update> {
  const branch = config.codeBranch;
  if (branch === undefined) return { outcome: 'current' };
  const result = await update({
    branch,
    folder: programFolder(),
    statePath: config.statePath,
    selfTests: [['--version'], [...(envFile === undefined ? [] : ['--env-file', envFile]), 'config']],
    reexecuted: process.env[REEXECUTED],
    env: process.env,
    clock,
    log,
    signal: stop.signal,
  });
  if (result.outcome === 'not-a-checkout')
    log.warn('CODE_BRANCH is set, but the program does not run from a git checkout: it is not updated');
  return result;
}

/** Runs this command again with the program that is in place now, and answers its exit code. */
export async function reexecute(cli: string, input?: string): Promise<number> {
  if (process.env[REEXECUTED] !== undefined) return START_ANEW;
  for (let last = ''; ;) {
    const next = realpathSync(cli);
    // What was started as this file has no reason to ask for it.
    if (next === last) return EXIT.internal;
    last = next;
    const exitCode = await runInPlace(
      process.execPath,
      [...process.execArgv, cli, ...process.argv.slice(2)],
      { env: { [REEXECUTED]: next }, input },
    );
    if (exitCode !== START_ANEW) return exitCode;
  }
}
