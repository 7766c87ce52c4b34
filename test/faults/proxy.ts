import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What happens to the bytes on their way; `afterBytes` counts those of all connections since it was set. */
export type WireFault =
  | { readonly kind: 'cut' | 'reset' | 'corrupt' | 'stall'; readonly afterBytes: number }
  | { readonly kind: 'delay'; readonly ms: number };

/** A TCP proxy on a loopback port that can do to a connection what networks do. */
export class FaultyProxy {
  readonly port: number;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #bytes = 0;
  #fault: WireFault | undefined;
  #refuses = false;
  #stalled = false;

  private constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<FaultyProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultyProxy(server, target);
  }

  /** The bytes of both directions since `heal`. */
  get bytes(): number {
    return this.#bytes;
  }

  break(fault: WireFault): void {
    this.#fault = fault;
  }

  /** New connections are reset; those that stand go on. */
  refuse(): void {
    this.#refuses = true;
  }

  /** Everything passes again, also what was held back. */
  heal(): void {
    this.#fault = undefined;
    this.#refuses = false;
    this.#bytes = 0;
    this.#stalled = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refuses) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const pair = [client, server];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
      if (this.#stalled) socket.pause();
    }
    this.#pass(client, server, pair);
    this.#pass(server, client, pair);
  }

  #pass(from: Socket, to: Socket, pair: readonly Socket[]): void {
    from.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      const fault = this.#fault;
      if (fault === undefined) return void to.write(chunk);
      if (fault.kind === 'delay') return void setTimeout(() => to.write(chunk), fault.ms);
      if (this.#bytes < fault.afterBytes) return void to.write(chunk);
      this.#fault = undefined;
      this.#befall(fault.kind, chunk, to, pair);
    });
    // After what is still delayed.
    from.on('end', () => setTimeout(() => to.end(), this.#fault?.kind === 'delay' ? this.#fault.ms : 0));
  }

  #befall(
    kind: 'cut' | 'reset' | 'corrupt' | 'stall',
    chunk: Buffer,
    to: Socket,
    pair: readonly Socket[],
  ): void {
    switch (kind) {
      case 'cut':
        to.write(chunk.subarray(0, chunk.length >> 1));
        for (const socket of pair) socket.end();
        return;
      case 'reset':
        for (const socket of pair) socket.resetAndDestroy();
        return;
      case 'corrupt': {
        const damaged = Buffer.from(chunk);
        damaged[chunk.length >> 1]! ^= 0x55;
        to.write(damaged);
        return;
      }
      case 'stall':
        this.#stalled = true;
        for (const socket of this.#sockets) socket.pause();
        to.write(chunk);
    }
  }
}
