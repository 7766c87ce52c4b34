import type { FileRecord, TaskRecord, TaskState } from '../state/records.js';
import { StateStore } from '../state/store.js';
import { readHolder, isLocked } from '../state/lock.js';
import { leftParts, type SkippedParts } from '../tasks/left-parts.js';
import { loadTasks } from '../tasks/load-tasks.js';
import type { Session } from './session.js';

/** What the record says of every task file; nothing where there is no record. Reads only; works while a run writes. */
export async function statusCommand(
  { config, redactor }: Session,
  options: { json?: boolean; all?: boolean },
): Promise<number> {
  const store = new StateStore(config.statePath, 'read');
  try {
    const files = await withLeftParts([...store.files().values()], store, config.skip);
    const tasks = store.tasks();
    const targetsOf = (file: FileRecord) => targetStates(tasks.get(file.path) ?? [], file.action);
    const last = store.lastRun();
    const running = isLocked(config.statePath) ? readHolder(config.statePath) : undefined;
    const text = options.json
      ? JSON.stringify(
          {
            running: running ?? null,
            lastRun: last ?? null,
            jobs: files.map((file) => ({ ...toJson(file), targets: targetsOf(file) })),
          },
          null,
          2,
        )
      : [
          running
            ? `running: ${running.command} (process ${running.pid}) since ${running.since}`
            : `last run: ${last ? `${last.command}, ${last.outcome ?? 'interrupted'}, ${(last.finishedAt ?? last.startedAt).toISOString()}` : 'none'}`,
          counts(files),
          ...table(
            options.all ? files : files.filter((file) => file.state !== 'done' && file.state !== 'excluded'),
            targetsOf,
          ),
        ].join('\n');
    process.stdout.write(`${redactor.redact(text)}\n`);
    return 0;
  } finally {
    store.close();
  }
}

/** How far each place is that a task file goes to: the database and every GeoServer, each by its name. */
function targetStates(tasks: readonly TaskRecord[], action: string): Record<string, TaskState> {
  const result: Record<string, TaskState> = {};
  for (const { target, state } of tasks.filter((task) => task.action === action)) {
    const known = result[target];
    if (known === undefined || WORST_FIRST.indexOf(state) < WORST_FIRST.indexOf(known))
      result[target] = state;
  }
  return result;
}

const WORST_FIRST: readonly TaskState[] = ['failed', 'started', 'done'];

/** What is done as far as it is still managed, and of which a part is left as it was since SKIP_DB or SKIP_GS is on. */
async function withLeftParts(
  files: readonly FileRecord[],
  store: StateStore,
  skip: SkippedParts,
): Promise<FileRecord[]> {
  if (!skip.db && !skip.gs) return [...files];
  const definitions = await loadTasks();
  const records = store.tasks();
  const published = store.publishedPaths();
  return files.map((file) => {
    const left = leftParts(records.get(file.path) ?? [], skip, definitions);
    if (file.state !== 'done' || left === undefined || !published.has(file.path)) return file;
    const parts = [
      ...(left.tables ? ['its table (SKIP_DB)'] : []),
      ...(left.layers ? ['its layer (SKIP_GS)'] : []),
    ];
    return { ...file, state: 'unmanaged', remark: `left as it is: ${parts.join(' and ')}` };
  });
}

const SHOWN = [
  ...(['path', 'kind', 'channel', 'action', 'name', 'state', 'failure', 'remark'] as const),
  ...(['attempts', 'nextAttemptAt', 'revision', 'updatedAt'] as const),
];

function toJson(file: FileRecord): object {
  return Object.fromEntries(SHOWN.map((key) => [key, file[key]]));
}

function counts(files: readonly FileRecord[]): string {
  const of = new Map<string, number>();
  for (const file of files) of.set(file.state, (of.get(file.state) ?? 0) + 1);
  const parts = [...of].map(([state, count]) => `${count} ${state}`);
  return `${files.length} task files${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

function table(
  files: readonly FileRecord[],
  targetsOf: (file: FileRecord) => Record<string, TaskState>,
): string[] {
  return files.map((file) => {
    const when = file.updatedAt.toISOString().replace('T', ' ').slice(0, 19);
    const cause = file.failure ? `\n    ${file.failure.retry}: ${file.failure.message}` : '';
    const remark = file.remark === undefined ? '' : `\n    ${file.remark}`;
    const next = file.nextAttemptAt ? `\n    next attempt: ${file.nextAttemptAt.toISOString()}` : '';
    const revision = (file.revision ?? '').slice(0, 12);
    const targets = Object.entries(targetsOf(file))
      .filter(([, state]) => state !== 'done')
      .map(([target, state]) => `\n    ${target}: ${state}`)
      .join('');
    return `${file.state.padEnd(9)} ${when}Z ${revision} ${file.path} (${file.action})${cause}${remark}${targets}${next}`;
  });
}
