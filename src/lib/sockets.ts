import { Socket } from 'node:net';

/** The sockets of connections that end with a good-bye, which the other side may no longer be there to answer. */
export class Sockets {
  readonly #open = new Set<Socket>();

  /** A new one, not connected yet. */
  make(): Socket {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  }

  /** Cuts off those that are still open after so many milliseconds. They alone would keep this process waiting for minutes. */
  cutOffAfter(ms: number): void {
    setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, ms).unref();
  }
}
