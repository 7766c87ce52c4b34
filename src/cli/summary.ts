import type { JobResult } from '../tasks/results.js';
import type { RunReport } from './run-once.js';

/** The end of a run, for people: what was done, and every failure with its cause. */
export function summarise(report: RunReport): string {
  const count = (state: JobResult['state']): number =>
    report.results.filter((job) => job.state === state).length;
  const parts = [
    `${count('done')} done`,
    `${count('failed')} failed`,
    ...(count('stopped') > 0 ? [`${count('stopped')} not finished`] : []),
    ...(count('excluded') > 0 ? [`${count('excluded')} not taken`] : []),
    `${report.unchanged} unchanged`,
    ...(report.ignored > 0 ? [`${report.ignored} ignored`] : []),
  ];
  const seconds = (report.durationMs / 1000).toFixed(1);
  const head = `slave-sync: revision ${report.revision.slice(0, 12)}: ${parts.join(', ')} (${seconds} s)`;
  const failures = report.results
    .filter((job) => job.state === 'failed')
    .map((job) => `  FAILED ${job.path}${label(job)}: ${job.message ?? 'no message'}`);
  const remarks = report.results
    .filter((job) => job.state === 'done' && job.message !== undefined)
    .map((job) => `  note   ${job.path}: ${job.message ?? ''}`);
  return [head, ...failures, ...remarks].join('\n');
}

function label(job: JobResult): string {
  const action = job.action === '' ? '' : ` (${job.action})`;
  return job.known ? `${action}, as before` : action;
}

/** The same for programs. */
export function toJson(report: RunReport): unknown {
  const { revision, results, unchanged, ignored, durationMs } = report;
  return { revision, jobs: results, unchanged, ignored, durationMs: Math.round(durationMs) };
}
