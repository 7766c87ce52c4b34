import type { Config } from '../config.js';
import { explainFilter, type Explanation } from '../jobs/filters/explain.js';
import type { FilterName } from '../jobs/kind.js';
import { loadKinds } from '../jobs/load-kinds.js';
import { isListened, locate } from '../jobs/locate.js';
import { parseTaskFile, type TaskFile } from '../jobs/parse.js';
import { AgentError, messageOf } from '../lib/errors.js';
import { hydrate, type HydratedFile } from '../tasks/hydrate.js';
import { pathsToRead, parseOverlays } from '../tasks/judge.js';
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
  const { config, stop } = session;
  const repository = await session.open(stop.signal);
  const transfer = await openTransfer(config, session);
  try {
    const revision = await repository.target();
    const { entries } = await repository.manifest(revision);
    const kinds = await loadKinds();
    const candidates = entries.flatMap((entry) => {
      const location = isListened(entry.path, config.channels) ? locate(entry.path, kinds) : undefined;
      return location !== undefined && entry.type === 'file' && isIncluded(entry.path, config)
        ? [{ ...entry, location }]
        : [];
    });
    const present = new Set(entries.map((entry) => entry.path));
    const contents = await repository.read(revision, pathsToRead(candidates, present));
    const files = candidates.flatMap(({ path, location }): TaskFile[] => {
      const bytes = contents.get(path);
      try {
        return bytes === undefined ? [] : [parseTaskFile(path, bytes, location)];
      } catch (error) {
        session.log.warn('left out', { file: path, reason: messageOf(error) });
        return [];
      }
    });
    const overlays = new Map(parseOverlays(candidates, contents).map((file) => [file.path, file]));
    const { ready, rejected } = await hydrate(files, overlays, transfer, stop.signal);
    for (const { path, error } of rejected)
      session.log.warn('left out', { file: path, reason: error.message });
    return ready;
  } finally {
    await transfer.close();
    await repository.close();
  }
}

function isIncluded(path: string, config: Config): boolean {
  return config.include === undefined || config.include.includes(path);
}
