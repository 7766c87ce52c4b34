import type { RunRecord } from '../state/records.js';

export interface BrokenOff {
  readonly command: string;
  /** When it gave up; when it began, if that is all that is known. */
  readonly at: Date;
  /** Killed or stopped, rather than given up because of an error. */
  readonly isInterrupted: boolean;
}

/**
 * The newest run, when it did not go to its end. After a hook it is all that tells of a pull that was refused: the
 * repository is back where it was, and no task file has failed. Of the daemon's runs the heartbeat tells, which knows one
 * that was asked to stop from one that failed.
 * @param isUnderWay whether it may still run
 * @param endedAt when the last run went to its end, as far as anybody knows
 */
export function findBrokenOff(
  run: RunRecord | undefined,
  { isUnderWay, endedAt }: { readonly isUnderWay: boolean; readonly endedAt: Date | undefined },
): BrokenOff | undefined {
  if (run === undefined || run.command === 'poll' || (endedAt !== undefined && run.startedAt <= endedAt))
    return undefined;
  const { command, startedAt, finishedAt, outcome, revision } = run;
  if (finishedAt === undefined)
    return isUnderWay ? undefined : { command, at: startedAt, isInterrupted: true };
  if (outcome === 'stopped') return { command, at: finishedAt, isInterrupted: true };
  return revision === undefined ? { command, at: finishedAt, isInterrupted: false } : undefined;
}
