import { availableParallelism } from 'node:os';
import { AgentError, messageOf, toAgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';
import { digestsOf, type Digests } from './digests.js';
import {
  addAwaitedForeignKeys,
  addOwnForeignKeys,
  checkParents,
  leftOut,
  prepareForeignKeys,
} from './foreign-keys.js';
import { checkFreeSpace } from './free-space.js';
import { inspectDump, type DumpInfo } from './inspect.js';
import { withLockRetries, type LockRetryOptions } from './lock-retry.js';
import { checkAddress, type TableAddress } from './names.js';
import { restore, restoreMark } from './restore.js';
import { isLocal, serverOf, type Server } from './server.js';
import { useInstalled } from './sql/install.js';
import { withTableLock } from './table-lock.js';
import { findRestoreTool } from './tools.js';

export interface PublishRequest extends TableAddress {
  readonly dumpPath: string;
  /** Hex MD5 of the dump. */
  readonly md5: string;
  /** Kept in the bookkeeping, for whoever looks at the database. */
  readonly jobId: string;
}

export interface PublishedTable {
  /**
   * unchanged: the same dump, or an equal one, is live; created: first publication; replaced: the view is the same one with
   * the same first columns; recreated: columns were changed or lost, so the view is a new one.
   */
  readonly change: 'unchanged' | 'created' | 'replaced' | 'recreated';
  readonly columnsChanged: boolean;
  /** Views and materialized views of others that had to be made anew. */
  readonly rebuiltViews: number;
  readonly warnings: readonly string[];
}

interface Standing {
  readonly as_recorded: boolean | null;
  readonly md5: string | null;
  readonly content_key: string | null;
  readonly size: string | null;
  readonly left_out: string[];
  readonly is_awaited: boolean;
  readonly kept: string[];
}

interface Publication {
  readonly context: DatabaseContext;
  readonly session: Session;
  readonly request: PublishRequest;
  readonly signal: AbortSignal;
}

/**
 * Restores a dump beside the live table and exchanges the two in one short transaction. Until then, and after any failure,
 * the access view serves the old rows. Can be called again after any crash.
 * Throws AgentError; see inspectDump, restore and withLockRetries for the reasons.
 */
export async function publishTable(
  context: DatabaseContext,
  request: PublishRequest,
  signal: AbortSignal,
): Promise<PublishedTable> {
  checkAddress(request);
  return useInstalled(context, signal, async (session) => {
    const publication = { context, session, request, signal };
    const standing = await readStanding(publication);
    if (standing?.as_recorded && standing.md5 === request.md5) return unchanged(publication, standing);
    const info = await inspectDump(request.dumpPath, request);
    return withTableLock(context, session, request, signal, async () => {
      const now = await readStanding(publication); // another agent may have been at it
      return now && (await isEqual(publication, now, info))
        ? unchanged(publication, now)
        : replace(publication, info);
    });
  });
}

async function readStanding({ session, request }: Publication): Promise<Standing | undefined> {
  const [standing] = await session.query<Standing>(
    'SELECT * FROM borg_slave.standing($1, $2, $3, $4)',
    placeOf(request),
  );
  return standing;
}

/** Is what is live the same but for the time of the dump? Only a dump of the same size is worth reading. */
async function isEqual(publication: Publication, standing: Standing, info: DumpInfo): Promise<boolean> {
  const { session, request, signal } = publication;
  if (!standing.as_recorded || standing.size !== String(info.size)) return false;
  if (standing.md5 === request.md5) return true;
  const digests = await digestsOf(request.dumpPath, info.volatileRanges, signal);
  checkMd5(request, digests);
  if (digests.contentKey !== standing.content_key) return false;
  await session.query(
    'UPDATE borg_slave.layer SET live_md5 = $3, live_job = $4 WHERE data_schema = $1 AND table_name = $2',
    [request.dataSchema, request.table, request.md5, request.jobId],
  );
  return true;
}

async function unchanged(publication: Publication, standing: Standing): Promise<PublishedTable> {
  const { context, session, request } = publication;
  const warnings = [...standing.left_out.map(leftOut), ...standing.kept];
  if (standing.is_awaited) warnings.push(...(await addAwaitedForeignKeys(context, session, request)));
  return { change: 'unchanged', columnsChanged: false, rebuiltViews: 0, warnings };
}

async function replace(publication: Publication, info: DumpInfo): Promise<PublishedTable> {
  const { context, session, request } = publication;
  const server = await serverOf(context, session);
  await checkFreeSpace(context.settings, server, info);
  await checkParents(session, request, info);
  progress(publication, 'table is prepared');
  const step = await withLockRetries(session, lockOptions(publication), async (lockMs) => {
    const row = await session.one<{ step: 'restore' | 'swap' }>(
      'SELECT borg_slave.prepare($1, $2, $3, $4, $5, $6) AS step',
      [...placeOf(request), request.md5, lockMs],
      { doing: `Preparing ${request.table}` },
    );
    return row.step;
  });
  const warnings: string[] = [];
  let digests: Digests;
  try {
    if (step === 'restore') {
      const [summed, restored] = await together(publication, info, server);
      digests = summed;
      warnings.push(...restored);
    } else digests = await digestsOf(request.dumpPath, info.volatileRanges, publication.signal);
    checkMd5(request, digests);
  } catch (error) {
    // What a retry in a moment may cure goes on from here; anything else gets the layout back as it was.
    if (toAgentError(error).retry !== 'transient') await putBack(publication);
    throw error;
  }
  return swap(publication, info, digests, warnings);
}

/**
 * The digests cost a quarter of a second per 100 MB. A restore keeps two cores busy; where there is no third one, they are
 * made after it, while the table is analyzed, which takes only one: 0.025 of the whole with one million points on two cores.
 */
async function together(
  publication: Publication,
  info: DumpInfo,
  server: Server,
): Promise<[Digests, string[]]> {
  const { context, request, signal } = publication;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const restoring = restoreBeside(publication, info, server, stop.signal);
    const staging = restoring.then(() => stage(publication, info));
    const coresAreFree = !isLocal(context.settings) || availableParallelism() > 2;
    const summing = (coresAreFree ? Promise.resolve() : restoring).then(async () => {
      const digests = await digestsOf(request.dumpPath, info.volatileRanges, stop.signal);
      checkMd5(request, digests);
      return digests;
    });
    // The first failure ends the other one, which is waited for: nothing may go on behind the caller's back.
    const first = Promise.all([summing, staging]);
    await first.catch((error: unknown) => {
      stop.abort(error);
    });
    await Promise.allSettled([summing, staging]);
    return await first;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function restoreBeside(
  publication: Publication,
  info: DumpInfo,
  server: Server,
  signal: AbortSignal,
): Promise<void> {
  const { context, request } = publication;
  const wanted = { archiveVersion: info.archiveVersion, serverMajor: server.major };
  const tool = await findRestoreTool(wanted, context.places);
  progress(publication, 'table is restored');
  await restore(
    {
      tool: tool.path,
      settings: context.settings,
      server,
      dumpPath: request.dumpPath,
      info,
      applicationName: restoreMark(request.dataSchema, request.table),
      timeoutMs: context.restoreTimeoutMs,
    },
    signal,
  );
}

/** Verifies and analyzes what was restored, and marks it as ready. Returns warnings. */
async function stage(publication: Publication, info: DumpInfo): Promise<string[]> {
  const { context, session, request } = publication;
  progress(publication, 'table is verified');
  const warnings = await addOwnForeignKeys(context, session, info.foreignKeys, lockOptions(publication));
  await session.query(
    'SELECT borg_slave.stage($1, $2, $3, $4, $5, $6)',
    [
      ...[request.dataSchema, request.table, request.md5, info.indexCount, info.constraintCount],
      info.foreignKeys.map((key) => key.name),
    ],
    { timeoutMs: context.restoreTimeoutMs, doing: `Verifying ${request.table}` },
  );
  return warnings;
}

async function swap(
  publication: Publication,
  info: DumpInfo,
  digests: Digests,
  warnings: readonly string[],
): Promise<PublishedTable> {
  const { context, session, request } = publication;
  const said = new Set(warnings); // a try that is repeated says the same again
  interface Swapped {
    readonly change: 'created' | 'replaced' | 'recreated';
    readonly columns_changed: boolean;
    readonly rebuilt: number;
    readonly is_awaited: boolean;
    readonly kept: readonly string[];
  }
  progress(publication, 'table is exchanged');
  const swapped = await withLockRetries(session, lockOptions(publication), async (lockMs) => {
    for (const warning of await prepareForeignKeys(context, session, request)) said.add(warning);
    return session.one<Swapped>(
      'SELECT * FROM borg_slave.swap($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      [...placeOf(request), request.md5, digests.contentKey, info.size, request.jobId, lockMs],
      // Materialized views are filled again inside.
      { timeoutMs: context.restoreTimeoutMs, doing: `Exchanging ${request.table}` },
    );
  });
  for (const warning of swapped.kept) said.add(warning);
  progress(publication, 'table is published');
  if (swapped.is_awaited)
    for (const warning of await addAwaitedForeignKeys(context, session, request)) said.add(warning);
  return {
    change: swapped.change,
    columnsChanged: swapped.columns_changed,
    rebuiltViews: swapped.rebuilt,
    warnings: [...said],
  };
}

/** Best effort: where it fails, the view serves the old rows all the same, from the outdated schema. */
async function putBack(publication: Publication): Promise<void> {
  const { context, session, request } = publication;
  try {
    await withLockRetries(session, { ...lockOptions(publication), limitMs: 5_000 }, (lockMs) =>
      session.query('SELECT borg_slave.put_back($1, $2, $3, $4, $5)', [...placeOf(request), lockMs]),
    );
  } catch (error) {
    context.log.warn('the old table stays in the outdated schema for now', {
      table: request.table,
      error: messageOf(error),
    });
  }
}

/** One line per step; the crash tests stop the process at them. */
function progress({ context, request }: Publication, message: string): void {
  context.log.debug(message, { dataSchema: request.dataSchema, table: request.table });
}

function checkMd5(request: PublishRequest, digests: Digests): void {
  if (digests.md5 === request.md5.toLowerCase()) return;
  throw new AgentError(
    'checksum-mismatch',
    `The dump ${request.dumpPath} has the MD5 sum ${digests.md5}, not ${request.md5}.`,
    { retry: 'remote' },
  );
}

function lockOptions({ context, request, signal }: Publication): LockRetryOptions {
  return { address: request, limitMs: context.lockWaitMs, clock: context.clock, log: context.log, signal };
}

function placeOf(address: TableAddress): [string, string, string, string] {
  return [address.schema, address.dataSchema, address.outdatedSchema, address.table];
}
