import { join } from 'node:path';
import type { Clock } from '../lib/clock.js';
import { AgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { acquireLock, type RunLock } from '../state/lock.js';
import type { Outbox } from '../state/outbox.js';
import type { Delivery } from './delivery.js';
import { describe } from './describe.js';
import {
  decodeKey,
  encodeKey,
  layerEntry,
  rowOf,
  slaveEntry,
  taskEntry,
  type LayerEntry,
  type SlaveEntry,
  type TaskEntry,
} from './rows.js';
import { runText } from './text.js';
import type { JobReport, MasterSettings, RunSummary, SlaveIdentity } from './types.js';

/** A master that is slow may cost a run this much; what is left is sent the next time. */
const FLUSH_MS = 8_000;

export interface ReporterDependencies {
  readonly outbox: Outbox;
  readonly log: Logger;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
}

/**
 * Tells the master what this slave does, in the three tables its people look at. Everything goes into the outbox first,
 * together with what the record says of it; `flush` sends it. Without a master reports are only kept, so that one that is set up later gets
 * them all.
 */
export class Reporter {
  readonly #settings: MasterSettings | undefined;
  readonly #slave: SlaveIdentity;
  readonly #deps: ReporterDependencies;
  #delivery: Delivery | undefined;

  constructor(settings: MasterSettings | undefined, slave: SlaveIdentity, deps: ReporterDependencies) {
    this.#settings = settings;
    this.#slave = slave;
    this.#deps = deps;
  }

  /** A job has ended on all of its targets, well or not. */
  jobEnded(report: JobReport): void {
    const { outbox, redact } = this.#deps;
    const row = rowOf(report);
    const [key, source] = [encodeKey(row), report.path];
    if (row.table !== 'layer') {
      outbox.save({ key, source: '', body: taskEntry(report, redact) });
      return;
    }
    outbox.transaction(() => {
      const before = outbox.reports(key).get(source) as LayerEntry | undefined;
      const body = layerEntry(report, before, redact);
      if (body === undefined) outbox.remove(key, source);
      else outbox.save({ key, source, body });
    });
  }

  /** A failure of an earlier run that still stands: reported now if that run was killed before it could. */
  stillFailing(report: JobReport): void {
    const row = rowOf(report);
    const reports = this.#deps.outbox.reports(encodeKey(row));
    const isKnown =
      row.table === 'layer'
        ? (reports.get(report.path) as LayerEntry | undefined)?.failed !== undefined
        : (reports.get('') as TaskEntry | undefined)?.succeeded === false;
    if (!isKnown) this.jobEnded(report);
  }

  /** Drops what task files said of layers that neither exist nor have anything left to remove. */
  forgetAllBut(paths: ReadonlySet<string>): void {
    const { outbox } = this.#deps;
    for (const { key, source } of outbox.sources())
      if (decodeKey(key).table === 'layer' && !paths.has(source)) outbox.remove(key, source);
  }

  /**
   * The slave is alive and has looked for changes (poll) or applied them (sync). A message says what hindered it. There is
   * one message for both on the master: once polling works again, that of the last sync is shown again.
   */
  heartbeat(event: 'poll' | 'sync', message?: string): void {
    if (this.#settings === undefined) return;
    const { outbox, clock, redact } = this.#deps;
    const key = encodeKey({ table: 'slave', event });
    const before = outbox.reports(key).get('') as SlaveEntry | undefined;
    outbox.save({ key, source: '', body: slaveEntry(clock.now(), message, redact) });
    if (event === 'sync' || message !== undefined || before?.message === undefined) return;
    const sync = encodeKey({ table: 'slave', event: 'sync' });
    const body = outbox.reports(sync).get('');
    if (body !== undefined) outbox.save({ key: sync, source: '', body });
  }

  /** A run that did something has ended. */
  runEnded(summary: RunSummary): void {
    this.heartbeat('sync', runText(summary, this.#deps.redact));
  }

  /**
   * Sends what the outbox holds. A master that is down, slow or refuses costs a few seconds and loses nothing: what was
   * not taken is sent the next time. Throws only the signal's reason.
   */
  async flush(signal: AbortSignal): Promise<void> {
    const { outbox, log } = this.#deps;
    signal.throwIfAborted();
    if (this.#settings === undefined) return;
    const waiting = outbox.pending().length;
    if (waiting === 0) return;
    // Two at once could send an older state of a row after a newer one.
    const lock = this.#takeLock();
    if (lock === undefined) return;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => stop.abort(new Error(`no answer within ${FLUSH_MS / 1_000} s`)), FLUSH_MS);
    try {
      await this.#send(this.#settings, stop.signal);
      if (outbox.trouble() !== undefined) {
        outbox.setTrouble(undefined);
        log.info('the master takes reports again');
      }
    } catch (error) {
      signal.throwIfAborted();
      const left = outbox.pending().length;
      if (stop.signal.aborted && left < waiting)
        log.info('the master is slow: the other reports are sent later', { left });
      else this.#complain(error, left);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      // Whoever has the lock next must not send what is sent.
      await outbox.written().finally(() => lock.release());
    }
  }

  /** Ends the connection to the master. */
  async close(): Promise<void> {
    await this.#delivery?.close();
  }

  async #send(settings: MasterSettings, signal: AbortSignal): Promise<void> {
    // Loaded here, so that a hook with nothing to say stays cheap.
    const { Delivery } = await import('./delivery.js');
    this.#delivery ??= new Delivery(settings, this.#slave, this.#deps);
    const { refusals } = await this.#delivery.deliver(signal);
    const [first] = refusals;
    if (first === undefined) return;
    const { row, message } = first;
    this.#deps.log.warn('the master refuses reports', { rows: refusals.length, row, message });
  }

  #takeLock(): RunLock | undefined {
    const { outbox, clock } = this.#deps;
    const since = clock.now().toISOString();
    try {
      return acquireLock(join(outbox.folder, 'outbox'), { pid: process.pid, command: 'report', since });
    } catch (error) {
      if (error instanceof AgentError && error.reason === 'locked') return undefined;
      throw error;
    }
  }

  /** Once for each trouble, not at every poll. */
  #complain(error: unknown, left: number): void {
    const { outbox, log, redact } = this.#deps;
    const trouble = redact(describe(error));
    if (trouble === outbox.trouble()) {
      log.debug('the master still takes no reports', { left });
      return;
    }
    outbox.setTrouble(trouble);
    log.warn('the master takes no reports; they are kept and sent later', { left, error: trouble });
  }
}
