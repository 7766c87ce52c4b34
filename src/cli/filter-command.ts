import { explainFilter, type Explanation } from '../jobs/filters/explain.js';
import type { FilterName } from '../jobs/kind.js';
import { AgentError, messageOf } from '../lib/errors.js';
import { hydrate, type HydratedFile } from '../tasks/hydrate.js';
import { readTaskFiles } from '../tasks/read-task-files.js';
import { EXIT } from './exit-codes.js';
import { openTransfer } from './open-transfer.js';
import type { Session } from './session.js';

interface Row {
  readonly path: string;
  readonly filter: string;
  readonly taken: boolean | undefined;
  readonly why: string;
}

/** Which task files of the repository each filter takes, and why. Changes nothing but the cache of meta files. */
export async function filterTestCommand(
  session: Session,
  names: readonly string[],
  options: { readonly expression?: string; readonly json?: boolean },
): Promise<number> {
  const rows = (await hydrated(session)).flatMap((entry) => {
    const { kind } = entry.file.location;
    const isNamed =
      names.length === 0 || names.includes(String(entry.merged['name'] ?? entry.merged['workspace']));
    if (kind.filter === undefined || !isNamed || entry.file.action === 'remove') return [];
    return [test(entry, kind.filter, options.expression ?? session.config.filters[kind.filter].source)];
  });
  const text = options.json
    ? JSON.stringify(rows, null, 2)
    : [
        ...rows.map((row) => `${label(row)}  ${row.path}  ${row.filter}: ${row.why}`),
        `${rows.filter((row) => row.taken === true).length} of ${rows.length} taken`,
      ].join('\n');
  process.stdout.write(`${session.redactor.redact(text)}\n`);
  return rows.some((row) => row.taken === undefined) ? EXIT.failed : EXIT.ok;
}

function test({ file, merged }: HydratedFile, filter: FilterName, source: string): Row {
  const name = `${filter.toUpperCase()}_FILTER`;
  const job = { ...merged, action: file.action, channel: file.location.channel, job_file: file.path };
  try {
    const explanation: Explanation = explainFilter(source, job);
    const why = explanation.because.map(({ part, value }) => `${part} is ${value}`).join(', ');
    return { path: file.path, filter: name, taken: explanation.taken, why: why === '' ? source : why };
  } catch (error) {
    // An expression that cannot be read at all is the operator's mistake, not one file's.
    if (error instanceof AgentError && error.reason === 'invalid-config') throw error;
    return { path: file.path, filter: name, taken: undefined, why: messageOf(error) };
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
