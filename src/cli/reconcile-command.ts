import { messageOf, toAgentError } from '../lib/errors.js';
import type { Session } from './session.js';
import { EXIT } from './exit-codes.js';
import { OpenedRepository } from './opened-repository.js';

export interface ReconcileOptions {
  /** For the lock's holder and the record. */
  readonly command: string;
  /** True inside a VCS transaction, where a failure can refuse the pull. */
  readonly inTransaction: boolean;
  readonly revision?: string;
  readonly prune?: boolean;
  readonly waitMs?: number;
  readonly json?: boolean;
  /** What was read from stdin. */
  readonly input?: string;
}

/** Reconciles once, prints the summary, and answers the exit code. Hook and `sync` are this one path. */
export async function reconcileCommand(session: Session, options: ReconcileOptions): Promise<number> {
  const { config, log, redactor, clock, stop } = session;
  let report;
  try {
    const before =
      config.codeBranch === undefined
        ? undefined
        : await (await import('./self-update.js')).updateFirst(session, options.input);
    if (before?.type === 'end') return before.exitCode;
    const repository = new OpenedRepository(session, stop.signal, options.revision);
    try {
      // Loaded while Mercurial starts.
      const { runOnce } = await import('./run-once.js');
      report = await runOnce({
        command: options.command,
        config,
        log,
        redactor,
        clock,
        signal: stop.signal,
        accept: session.accept,
        openRepository: (signal) => repository.lend(signal),
        prune: options.prune ?? false,
        waitMs: options.waitMs ?? 0,
        hindrance: before?.hindrance,
      });
    } finally {
      await repository.close();
    }
  } catch (error) {
    const code = stop.exitCode();
    if (code === undefined || toAgentError(error).reason !== 'cancelled') throw error;
    process.stderr.write(`slave-sync: ${messageOf(error)}\n`);
    return code;
  }
  const { summarise, toJson } = await import('./summary.js');
  const text = options.json ? JSON.stringify(toJson(report), null, 2) : summarise(report);
  process.stdout.write(`${redactor.redact(text)}\n`);
  const stopped = stop.exitCode();
  if (stopped !== undefined) return stopped;
  const isRefused = options.inTransaction && config.rollback;
  if (isRefused)
    process.stdout.write('slave-sync: ROLLBACK is on: the pull is refused although everything was done\n');
  if (report.results.some((job) => job.state === 'stopped')) return EXIT.failed;
  const isFailed = report.results.some((job) => job.state === 'failed');
  const isAccepted = options.inTransaction && config.onFailure === 'accept';
  return (isFailed && !isAccepted) || isRefused ? EXIT.failed : EXIT.ok;
}
