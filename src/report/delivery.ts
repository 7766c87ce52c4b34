import type { Clock } from '../lib/clock.js';
import type { Outbox } from '../state/outbox.js';
import { MasterConnection } from './connection.js';
import { sendAll, type SendResult } from './sender.js';
import { findSlave, registerSlave, type Statement } from './statements.js';
import type { MasterSettings, SlaveIdentity } from './types.js';

export interface DeliveryDependencies {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
}

type Query = <T>(statement: Statement) => Promise<T[]>;

/** The way from the outbox to the master's tables: one connection, opened when it is first needed. */
export class Delivery {
  readonly #settings: MasterSettings;
  readonly #slave: SlaveIdentity;
  readonly #deps: DeliveryDependencies;
  #connection: MasterConnection | undefined;

  constructor(settings: MasterSettings, slave: SlaveIdentity, deps: DeliveryDependencies) {
    this.#settings = settings;
    this.#slave = slave;
    this.#deps = deps;
  }

  /** Throws when there is no talking to the master; the next call connects anew. */
  async deliver(signal: AbortSignal): Promise<SendResult> {
    const { schema } = this.#settings;
    try {
      const connection = (this.#connection ??= await MasterConnection.open(this.#settings, signal));
      const query: Query = ([sql, params]) => connection.query(sql, params, signal);
      const slaveId = await this.#register(query);
      return await sendAll({ ...this.#deps, schema, slave: this.#slave, slaveId, query });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.end();
  }

  /** The number of this slave's row. A master that does not know this slave is sent everything. */
  async #register(query: Query): Promise<number> {
    const { schema } = this.#settings;
    const [known] = await query<{ id: number | null }>(findSlave(schema, this.#slave));
    if (known?.id != null) return known.id;
    this.#deps.outbox.queueAll();
    const [made] = await query<{ id: number }>(registerSlave(schema, this.#slave, this.#deps.clock.now()));
    if (made === undefined) throw new Error('the master did not register this slave');
    return made.id;
  }
}
