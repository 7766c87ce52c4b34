import { explainFilter, type Explanation } from '../jobs/filters/explain.js';
import { parseLambda } from '../jobs/filters/parse.js';
import type { FilterName, Spec } from '../jobs/kind.js';
import { AgentError, messageOf } from '../lib/errors.js';
import { filterView } from '../tasks/filter-view.js';
import { hydrate, type HydratedFile } from '../tasks/hydrate.js';
import { readTaskFiles } from '../tasks/read-task-files.js';
import { EXIT } from './exit-codes.js';
import { openTransfer } from './open-transfer.js';
import type { Session } from './session.js';

interface Row {
  readonly path: string;
  /** The variable, or the option that stands in for it. */
  readonly filter: string;
  /** Absent when the filter failed for this file: then `why` says how. */
  readonly taken?: boolean;
  /** What the expression came to, as Python prints it. */
  readonly value?: string;
  readonly why: string;
}

/** A task file that a filter governs. */
interface Asked {
  readonly path: string;
  readonly filter: FilterName;
  readonly job: Spec;
}

/**
 * Which task files of the repository each filter takes, and why; `names` are names or paths of task files. Changes nothing
 * but the cache of meta files. Exit code 1 when a filter fails for a file, or nothing has one of the names; throws
 * AgentError 'invalid-config' for an expression that cannot be read.
 */
export async function filterTestCommand(
  session: Session,
  names: readonly string[],
  options: { readonly expression?: string; readonly json?: boolean },
): Promise<number> {
  const { expression } = options;
  if (expression !== undefined) checkExpression(expression);
  const asked = (await hydrated(session)).flatMap(({ file, merged }): Asked[] => {
    const job = filterView(file, merged);
    const { filter } = file.location.kind;
    return job === undefined || filter === undefined ? [] : [{ path: file.path, filter, job }];
  });
  const namesOf = ({ path, job }: Asked): string[] => [String(job['name']), path];
  const rows = asked
    .filter((one) => names.length === 0 || namesOf(one).some((name) => names.includes(name)))
    .map(({ path, filter, job }) => {
      const { variable, source } = session.config.filters[filter];
      return expression === undefined
        ? test(path, variable, source, job)
        : test(path, '--expression', expression, job);
    });
  const unknown = names.filter((name) => !asked.some((one) => namesOf(one).includes(name)));
  const text = options.json
    ? JSON.stringify(rows, null, 2)
    : [
        ...rows.map((row) => `${label(row)}  ${row.path}  ${row.filter}: ${row.why}`),
        `${rows.filter((row) => row.taken === true).length} of ${rows.length} taken`,
      ].join('\n');
  process.stdout.write(`${session.redactor.redact(text)}\n`);
  for (const name of unknown)
    process.stderr.write(`slave-sync: no task file that a filter governs is named ${name}\n`);
  return unknown.length > 0 || rows.some((row) => row.taken === undefined) ? EXIT.failed : EXIT.ok;
}

function checkExpression(source: string): void {
  try {
    parseLambda(source);
  } catch (error) {
    throw new AgentError('invalid-config', `the expression cannot be used: ${messageOf(error)}`, {
      retry: 'final',
      cause: error,
    });
  }
}

function test(path: string, filter: string, source: string, job: Spec): Row {
  try {
    const { taken, value, because }: Explanation = explainFilter(source, job);
    const parts = because.map((one) => `${one.part} is ${one.value}`).join(', ');
    return { path, filter, taken, value, why: parts === '' ? source : parts };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { path, filter, why: messageOf(error) };
  }
}

function label(row: Row): string {
  return row.taken === undefined ? 'failed   ' : row.taken ? 'taken    ' : 'not taken';
}

async function hydrated(session: Session): Promise<HydratedFile[]> {
  const { config, log, stop } = session;
  const repository = await session.open(stop.signal);
  const transfer = await openTransfer(config, session);
  try {
    const revision = await repository.target();
    const { entries } = await repository.manifest(revision);
    const { files, overlays, rejected } = await readTaskFiles({
      entries,
      read: (paths) => repository.read(revision, paths),
      channels: config.channels,
      include: config.include,
    });
    const result = await hydrate(files, overlays, transfer, stop.signal);
    for (const { path, error } of [...rejected, ...result.rejected])
      log.warn('left out', { file: path, reason: error.message });
    return result.ready;
  } finally {
    await transfer.close();
    await repository.close();
  }
}
