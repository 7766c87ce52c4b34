import type { StateRepository } from '../hooks/repository.js';
import type { Session } from './session.js';

/**
 * The state repository, opened ahead of its use and lent to one user after another: Mercurial takes longer to start than
 * everything else that a run loads, and what served a pull serves the run after it.
 */
export class OpenedRepository {
  readonly #end = new AbortController();
  readonly #opening: Promise<StateRepository>;

  constructor(session: Pick<Session, 'open'>, signal: AbortSignal, revision?: string) {
    this.#opening = session.open(AbortSignal.any([signal, this.#end.signal]), revision);
    // Whoever it is lent to hears of it.
    this.#opening.catch(() => undefined);
  }

  /** Its reading ends when this signal is aborted, too. Rejects with what kept it from being opened. */
  lend(signal: AbortSignal): Promise<StateRepository> {
    if (signal.aborted) this.#end.abort(signal.reason);
    signal.addEventListener('abort', () => this.#end.abort(signal.reason), { once: true });
    return this.#opening;
  }

  async close(): Promise<void> {
    await this.#opening.then(
      (repository) => repository.close(),
      () => undefined,
    );
  }
}
