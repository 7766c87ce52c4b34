import type { Job } from '../jobs/job.js';
import type { Kind, Spec } from '../jobs/kind.js';
import type { AgentError } from '../lib/errors.js';
import type { Failure, FileRecord, FileState, PublicationRecord } from '../state/records.js';
import type { StateStore } from '../state/store.js';
import { WITHDRAWN, type DesiredFile } from './compare.js';
import type { Decision } from './decide.js';
import { pathOf, type Verdict } from './judge.js';
import { withAppliedParts } from './layer.js';
import type { JobOutcome } from './run.js';

const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 60 * 60_000;

export interface LedgerContext {
  readonly store: StateStore;
  readonly revision: string;
  /** Digest of the settings under which files are judged. */
  readonly settings: string;
  readonly now: () => Date;
  readonly random: () => number;
  readonly redact: (text: string) => string;
}

/** What the record and the revision held when the run began. */
export interface LedgerView {
  readonly files: ReadonlyMap<string, FileRecord>;
  readonly publications: readonly PublicationRecord[];
  /** The files of the revision that are listened to. */
  readonly entries: readonly DesiredFile[];
}

/** Writes into the record what is asked for and what became of it: before the first task acts, and when a job ends. */
export class Ledger {
  readonly #context: LedgerContext;
  readonly #view: LedgerView;
  readonly #files: Map<string, FileRecord>;
  readonly #blobs: ReadonlyMap<string, string>;
  readonly #applied: ReadonlyMap<string, Spec>;
  readonly #renewed: FileRecord[] = [];
  /** By path: a file may have one beside its other job, or several. */
  readonly #failedRemovals = new Map<string, Failure>();

  constructor(context: LedgerContext, view: LedgerView) {
    this.#context = context;
    this.#view = view;
    this.#files = new Map(view.files);
    this.#applied = new Map(
      view.publications.map((p) => [publicationKey(p.path, p.identity, p.kind), p.spec]),
    );
    this.#blobs = new Map(view.entries.map((entry) => [entry.path, entry.blobId]));
  }

  /** The file has the same content as before under a new id: written with the next `begin`. */
  sameContent(file: FileRecord, blobId: string): void {
    this.#renewed.push({ ...file, blobId });
  }

  /**
   * Before the first task acts, in one transaction: what was judged is pending, what is to be published is remembered,
   * and files that are gone are forgotten unless something of theirs has to be removed first.
   */
  begin(verdicts: readonly Verdict[], decision: Decision, forgotten: readonly FileRecord[]): void {
    const { store } = this.#context;
    const removing = new Set(
      [...decision.jobs.filter((job) => job.action === 'remove'), ...decision.waiting].map(
        ({ path }) => path,
      ),
    );
    store.database.durably(() => {
      // Nothing is done for them: the time of what was done stays.
      for (const file of this.#renewed) this.#put(file);
      // What another file publishes is not this one's to remove when it goes.
      const refused = new Set(decision.conflicts.map((conflict) => conflict.job));
      for (const verdict of verdicts) this.#writeVerdict(verdict, refused);
      for (const file of forgotten) if (!removing.has(file.path)) store.deleteFile(file.path);
      for (const p of decision.handedOver) store.deletePublication(p.path, p.identity);
      for (const p of decision.unmanaged) {
        const file = this.#files.get(p.path);
        if (file && file.state !== 'unmanaged') this.#save(file, UNLISTENED_FILE);
      }
    });
  }

  /** A job ended: its file's state, and with a removal the publication, which is gone now. */
  settled(job: Job, outcome: JobOutcome): void {
    const { store } = this.#context;
    if (outcome.type === 'stopped') return;
    const file = this.#files.get(job.path);
    if (job.prunes !== undefined) {
      // The rest is there as before; what is gone is published from the start when it is managed again.
      if (outcome.type === 'done') store.deleteOtherActions(job.path, job.action);
      return;
    }
    store.database.transaction(() => {
      if (job.action === 'remove' && outcome.type === 'done') {
        store.deletePublication(job.path, job.identity);
        if (!this.#blobs.has(job.path) && !this.#failedRemovals.has(job.path)) {
          store.deleteFile(job.path);
          return;
        }
      }
      if (file === undefined) return;
      if (outcome.type === 'failed' && job.action === 'remove')
        this.#failedRemovals.set(job.path, outcome.failure);
      else if (this.#isAside(job, file) && file.state === 'unmanaged')
        this.#save(file, { state: 'excluded' });
      // The file has failed as long as what it published before cannot be removed, whichever of the two ended last.
      const failure = outcome.type === 'failed' ? outcome.failure : this.#failedRemovals.get(job.path);
      if (failure !== undefined) this.#failedJob(file, failure);
      else if (!this.#isAside(job, file))
        this.#save(file, { ...SETTLED_FILE, remark: joined(outcome.warnings) });
    });
  }

  /** A job that is refused before any of its tasks ran; returns the message. */
  refused(job: Job, error: AgentError): string {
    const failure = this.#failureOf(error);
    const file = this.#files.get(job.path);
    if (file !== undefined) this.#save(file, this.#failed(file, failure));
    return failure.message;
  }

  /** A removal that asks for nothing; returns the remark that says why. */
  superseded(job: Job): string {
    const remark = 'nothing to remove: another task file publishes it';
    const file = this.#files.get(job.path);
    if (file !== undefined) this.#save(file, { ...SETTLED_FILE, remark });
    return remark;
  }

  /** A removal that goes with a file's other job (it was renamed, or is pruned): the file's state is not its. */
  #isAside(job: Job, file: FileRecord): boolean {
    return job.action === 'remove' && file.action !== 'remove' && this.#blobs.has(job.path);
  }

  /** The attempts to remove what a file published are counted anew when the file goes. */
  #failedJob(file: FileRecord, failure: Failure): void {
    const isNews = file.blobId !== WITHDRAWN && !this.#blobs.has(file.path);
    const { settings } = this.#context;
    const counted = isNews ? { ...file, blobId: WITHDRAWN, settings, attempts: 0 } : file;
    this.#save(counted, this.#failed(counted, failure));
  }

  #writeVerdict(verdict: Verdict, refused: ReadonlySet<Job>): void {
    const { store } = this.#context;
    const path = pathOf(verdict);
    const base = this.#blank(path, verdict);
    switch (verdict.type) {
      case 'rejected':
        this.#save(base, this.#failed(this.#files.get(path) ?? base, this.#failureOf(verdict.error)));
        return;
      case 'excluded': {
        const applied = this.#view.publications.some((p) => p.path === path);
        const state: FileState = applied ? 'unmanaged' : 'excluded';
        this.#save({ ...base, identity: verdict.identity }, { state, remark: verdict.why });
        return;
      }
      case 'job': {
        const { job, merged, file } = verdict;
        const { kind } = file.location;
        const spec = withoutSecrets(merged, kind);
        this.#save({ ...base, identity: job.identity, name: job.name, spec }, { state: 'pending' });
        store.deleteOtherActions(path, job.action);
        // Durable with the rest: whatever of it is done and lost with the power is done again, even when the file is turned
        // back before that.
        if (base.contentHash !== this.#view.files.get(path)?.contentHash)
          store.forgetFingerprints(path, job.action);
        const applied = this.#applied.get(publicationKey(path, job.identity, kind.name));
        if (job.action === 'publish' && kind.removable && !refused.has(job))
          store.savePublication({
            path,
            generation: job.generation ?? '',
            identity: job.identity,
            kind: kind.name,
            channel: job.channel,
            name: job.name,
            spec: withAppliedParts(spec, applied),
          });
      }
    }
  }

  #blank(path: string, verdict: Verdict): FileRecord {
    const { settings, revision, now } = this.#context;
    const known = this.#files.get(path);
    return {
      path,
      blobId: this.#blobs.get(path) ?? known?.blobId ?? '',
      contentHash: verdict.file?.contentHash ?? '',
      settings,
      kind: verdict.file?.location.kind.name ?? known?.kind ?? '',
      channel: verdict.file?.location.channel ?? path.split('/')[0] ?? '',
      action: verdict.file?.action ?? known?.action ?? 'publish',
      identity: known?.identity,
      name: known?.name,
      spec: undefined,
      state: 'pending',
      failure: undefined,
      remark: undefined,
      attempts: known?.blobId === this.#blobs.get(path) ? (known?.attempts ?? 0) : 0,
      nextAttemptAt: undefined,
      dueAt: verdict.type === 'job' ? verdict.dueAt : known?.dueAt,
      revision,
      updatedAt: now(),
    };
  }

  #failed(file: FileRecord, failure: Failure): Partial<FileRecord> {
    const { now, random } = this.#context;
    const attempts = file.attempts + 1;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LONGEST_RETRY_MS) * (0.75 + random() / 2);
    return {
      state: 'failed',
      failure,
      remark: undefined,
      attempts,
      nextAttemptAt: failure.retry === 'final' ? undefined : new Date(now().getTime() + delay),
    };
  }

  #failureOf(error: AgentError): Failure {
    const hint = error.hint === undefined ? '' : ` ${error.hint}`;
    return {
      reason: error.reason,
      retry: error.retry,
      message: this.#context.redact(`${error.message}${hint}`),
    };
  }

  #save(file: FileRecord, change: Partial<FileRecord>): void {
    this.#put({ ...file, ...change, updatedAt: this.#context.now() });
  }

  #put(file: FileRecord): void {
    this.#files.set(file.path, file);
    this.#context.store.saveFile(file);
  }
}

/** Of a channel that is no longer listened to. Settings under which nothing is judged: listened to again, it is judged anew. */
const UNLISTENED_FILE = {
  state: 'unmanaged',
  settings: '',
  remark: 'its channel is not listened to',
  failure: undefined,
  nextAttemptAt: undefined,
} as const;

const SETTLED_FILE = { state: 'done', failure: undefined, attempts: 0, nextAttemptAt: undefined } as const;

function joined(lines: readonly string[]): string | undefined {
  return lines.length === 0 ? undefined : lines.join('\n');
}

function publicationKey(...parts: readonly [path: string, identity: string, kind: string]): string {
  return JSON.stringify(parts);
}

const SECRET_KEY = /^(passwd|password|token|secret)$/i;

/** Users' passwords and keys inside addresses; what is left still says which server it is. */
function withoutUrlSecrets(text: string): string {
  return text
    .replace(/(:\/\/)[^\s/@]*@/g, '$1***@')
    .replace(/([?&](?:pass(?:wor)?d|pwd|token|secret|(?:api_?)?key|auth)=)[^&#\s]*/gi, '$1***');
}

/** A copy of a task file for the record: without passwords, wherever they stand. */
function withoutSecrets(spec: Spec, kind: Kind): Spec {
  const strip = (value: unknown): unknown => {
    if (typeof value === 'string') return withoutUrlSecrets(value);
    if (Array.isArray(value)) return value.map(strip);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => !SECRET_KEY.test(key) && kind.secretKeys?.includes(key) !== true)
        .map(([key, inner]) => [key, strip(inner)]),
    );
  };
  return strip(spec) as Spec;
}
