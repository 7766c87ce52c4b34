import type { Job } from '../jobs/job.js';
import type { FileRecord } from '../state/records.js';
import type { Verdict } from './judge.js';
import type { JobOutcome } from './run.js';

/** What became of a task file in this run, for the summary. */
export interface JobResult {
  readonly path: string;
  readonly action: string;
  readonly kind: string;
  readonly name: string;
  readonly state: 'done' | 'failed' | 'stopped' | 'excluded';
  readonly message: string | undefined;
  /** True for a failure of an earlier run that was not tried again. */
  readonly known: boolean;
}

/** A failure of an earlier run that only a change can mend: it still counts. */
export function knownFailure(file: FileRecord): JobResult {
  return {
    path: file.path,
    action: file.action,
    kind: file.kind,
    name: file.name ?? file.path,
    state: 'failed',
    message: file.failure?.message,
    known: true,
  };
}

/** The result of a file that makes no job. */
export function verdictResult(verdict: Verdict): JobResult[] {
  switch (verdict.type) {
    case 'job':
      return [];
    case 'excluded': {
      const { path, action, location } = verdict.file;
      return [
        {
          path,
          action,
          kind: location.kind.name,
          name: path,
          state: 'excluded',
          message: verdict.why,
          known: false,
        },
      ];
    }
    case 'rejected': {
      const { path, error, file } = verdict;
      const kind = file?.location.kind.name ?? '';
      const message = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
      return [{ path, action: file?.action ?? '', kind, name: path, state: 'failed', message, known: false }];
    }
  }
}

export function outcomeResult(job: Job, outcome: JobOutcome): JobResult {
  switch (outcome.type) {
    case 'done':
      return jobResult(job, 'done', outcome.warnings.length === 0 ? undefined : outcome.warnings.join('; '));
    case 'failed':
      return jobResult(job, 'failed', outcome.failure.message);
    case 'stopped':
      return jobResult(job, 'stopped', 'the run was stopped; the next one goes on here');
  }
}

export function jobResult(job: Job, state: JobResult['state'], message: string | undefined): JobResult {
  const { path, action, kind, name } = job;
  return { path, action, kind, name, state, message, known: false };
}
