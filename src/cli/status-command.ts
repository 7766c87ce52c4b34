import type { FileRecord } from '../state/records.js';
import { StateStore } from '../state/store.js';
import { readHolder, isLocked } from '../state/lock.js';
import type { Session } from './session.js';

/** What the record says of every task file. Reads only; works while a run writes. */
export function statusCommand(
  { config, redactor }: Session,
  options: { json?: boolean; all?: boolean },
): number {
  const store = new StateStore(config.statePath);
  try {
    const files = [...store.files().values()];
    const last = store.lastRun();
    const running = isLocked(config.statePath) ? readHolder(config.statePath) : undefined;
    const text = options.json
      ? JSON.stringify({ running: running ?? null, lastRun: last ?? null, jobs: files.map(toJson) }, null, 2)
      : [
          running
            ? `running: ${running.command} (process ${running.pid}) since ${running.since}`
            : `last run: ${last ? `${last.command}, ${last.outcome ?? 'interrupted'}, ${(last.finishedAt ?? last.startedAt).toISOString()}` : 'none'}`,
          counts(files),
          ...table(
            options.all ? files : files.filter((file) => file.state !== 'done' && file.state !== 'excluded'),
          ),
        ].join('\n');
    process.stdout.write(`${redactor.redact(text)}\n`);
    return 0;
  } finally {
    store.close();
  }
}

function toJson(file: FileRecord): unknown {
  const {
    path,
    kind,
    channel,
    action,
    name,
    state,
    failure,
    remark,
    attempts,
    nextAttemptAt,
    revision,
    updatedAt,
  } = file;
  return {
    path,
    kind,
    channel,
    action,
    name,
    state,
    failure,
    remark,
    attempts,
    nextAttemptAt,
    revision,
    updatedAt,
  };
}

function counts(files: readonly FileRecord[]): string {
  const of = new Map<string, number>();
  for (const file of files) of.set(file.state, (of.get(file.state) ?? 0) + 1);
  const parts = [...of].map(([state, count]) => `${count} ${state}`);
  return `${files.length} task files${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

function table(files: readonly FileRecord[]): string[] {
  return files.map((file) => {
    const when = file.updatedAt.toISOString().replace('T', ' ').slice(0, 19);
    const cause = file.failure ? `\n    ${file.failure.retry}: ${file.failure.message}` : '';
    const remark = file.remark === undefined ? '' : `\n    ${file.remark}`;
    const next = file.nextAttemptAt ? `\n    next attempt: ${file.nextAttemptAt.toISOString()}` : '';
    const revision = (file.revision ?? '').slice(0, 12);
    return `${file.state.padEnd(9)} ${when}Z ${revision} ${file.path} (${file.action})${cause}${remark}${next}`;
  });
}
