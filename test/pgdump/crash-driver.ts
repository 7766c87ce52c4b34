import { systemClock } from '../../src/lib/clock.js';
import { silentLogger, type Logger } from '../../src/lib/log.js';
import { Secret } from '../../src/lib/secret.js';
import { Database, type PublishRequest } from '../../src/pgdump/database.js';

/**
 * An agent of its own process that publishes one table, to be killed by crash.test.ts. It says each step on stdout and then
 * stands still for a moment, so that the test can strike between two steps.
 */
export interface Order {
  readonly settings: { host: string; port: number; database: string; user: string; password: string };
  readonly request: PublishRequest;
  readonly pauseMs: number;
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
const log: Logger = {
  ...silentLogger,
  debug: (message) => {
    process.stdout.write(`${message}\n`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.pauseMs);
  },
};
const database = new Database(
  { ...order.settings, password: new Secret(order.settings.password), lockWaitMs: 5_000 },
  { log, clock: systemClock },
);
await database.publishTable(order.request, new AbortController().signal);
process.stdout.write('done\n');
await database.close();
