import type { Step } from '../tasks/plan.js';
import { EXIT } from './exit-codes.js';
import { previewRun } from './run-once.js';
import type { Session } from './session.js';

/**
 * What a run would do now, in an order in which it could be done, and whether the removal guard would stop it. Takes no
 * lock and writes no record; meta files that are not in the cache yet are fetched into it.
 */
export async function planCommand(
  session: Session,
  options: { readonly prune?: boolean; readonly json?: boolean },
): Promise<number> {
  const { config, log, redactor, clock, stop } = session;
  const { revision, decision, plan, guarded } = await previewRun({
    command: 'plan',
    config,
    log,
    redactor,
    clock,
    signal: stop.signal,
    accept: session.accept,
    openRepository: (signal) => session.open(signal),
    prune: options.prune ?? false,
  });
  const numbers = new Map(plan.steps.map((step, index) => [step, index + 1]));
  const numbersOf = (steps: ReadonlySet<Step>): number[] =>
    [...steps].flatMap((step) => numbers.get(step) ?? []).sort((a, b) => a - b);
  const rows = plan.steps.map((step) => ({
    number: numbers.get(step) ?? 0,
    task: step.definition.type,
    object: step.object,
    target: step.target.id,
    jobs: step.jobs.map((job) => `${job.path} (${job.action})`),
    needs: numbersOf(step.needs),
    after: numbersOf(step.after),
  }));
  const refused = [
    ...decision.conflicts.map(({ job, error }) => `${job.path}: ${error.message}`),
    ...plan.circular.map(({ job, circle }) => `${job.path}: waits in a circle with ${circle.join(', ')}`),
  ];
  const text = options.json
    ? JSON.stringify({ revision, stopped: guarded?.why ?? null, steps: rows, refused }, null, 2)
    : [
        `revision ${revision.slice(0, 12)}: ${decision.jobs.length} jobs, ${rows.length} steps`,
        ...(guarded === undefined
          ? []
          : [`stopped  before the first change, until approved: ${guarded.why}`]),
        ...rows.map((row) => {
          const waits = [...row.needs, ...row.after];
          const target = row.target === 'local' ? '' : ` @ ${row.target}`;
          return `${String(row.number).padStart(5)}  ${row.task} ${row.object}${target}${waits.length === 0 ? '' : `  (after ${waits.join(', ')})`}${row.jobs.length > 1 ? `  [${row.jobs.length} jobs]` : ''}`;
        }),
        ...refused.map((line) => `refused  ${line}`),
      ].join('\n');
  process.stdout.write(`${redactor.redact(text)}\n`);
  return EXIT.ok;
}
