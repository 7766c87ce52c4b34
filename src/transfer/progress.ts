import type { Clock } from '../lib/clock.js';
import type { TransferProgress } from './types.js';

const EVERY_MS = 200;

/** Sums up how far one rsync call has come, and reports it a few times a second. */
export class ProgressMeter {
  readonly #host: string;
  readonly #totalFiles: number;
  readonly #clock: Clock;
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  readonly #startMs: number;
  #reportedMs: number;
  #files = 0;
  #bytes = 0;
  #totalBytes: number | undefined;

  constructor(
    host: string,
    totalFiles: number,
    deps: {
      readonly clock: Clock;
      readonly onProgress: ((progress: TransferProgress) => void) | undefined;
    },
  ) {
    this.#host = host;
    this.#totalFiles = totalFiles;
    this.#clock = deps.clock;
    this.#report = deps.onProgress;
    this.#startMs = this.#reportedMs = this.#clock.now().getTime();
  }

  /** One more file has come over. */
  file(): void {
    this.#files++;
    this.#tick();
  }

  /** So many bytes of the files are here, so many percent of all. */
  bytes(bytes: number, percent: number): void {
    this.#bytes = bytes;
    this.#totalBytes = percent > 0 ? Math.max(bytes, Math.round((bytes * 100) / percent)) : undefined;
    this.#tick();
  }

  end(): void {
    this.#emit(true);
  }

  #tick(): void {
    if (this.#clock.now().getTime() - this.#reportedMs >= EVERY_MS) this.#emit(false);
  }

  #emit(done: boolean): void {
    this.#reportedMs = this.#clock.now().getTime();
    const seconds = Math.max(this.#reportedMs - this.#startMs, 1) / 1000;
    const rate = this.#bytes / seconds;
    const left = this.#totalBytes === undefined ? undefined : this.#totalBytes - this.#bytes;
    this.#report?.({
      host: this.#host,
      files: this.#files,
      totalFiles: this.#totalFiles,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond: Math.round(rate),
      secondsLeft: left === undefined || rate === 0 ? undefined : Math.ceil(left / rate),
      done,
    });
  }
}
