import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Sockets } from '../../src/lib/sockets.js';

describe('Sockets', () => {
  it('cuts off what the other side does not close', async () => {
    // Half open: it never answers a good-bye.
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new Sockets();
    const socket = sockets.make().connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    socket.end();
    sockets.cutOffAfter(100);
    const begin = performance.now();
    await closed;
    expect(performance.now() - begin).to.be.within(90, 2_000);
    server.close();
  });
});
