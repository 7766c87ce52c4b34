import type { Outbox, PendingRow } from '../state/outbox.js';
import { isRefusal } from './connection.js';
import { describe } from './describe.js';
import { decodeKey, mergeLayers, type LayerEntry, type SlaveEntry, type TaskEntry } from './rows.js';
import {
  deleteLayers,
  updateSlave,
  upsertLayers,
  upsertTasks,
  type LayerRow,
  type Statement,
  type TaskRow,
} from './statements.js';
import type { SlaveIdentity } from './types.js';

/** Rows in one statement: few round trips to a master far away, and not much to do again when one is refused. */
const BATCH = 50;
/** After so many refusals on end, the rest of a table is left for the next time: it is the table that is wrong. */
const MAX_REFUSALS = 10;

export interface SendInput {
  readonly outbox: Outbox;
  readonly schema: string;
  readonly slave: SlaveIdentity;
  readonly slaveId: number;
  readonly query: (statement: Statement) => Promise<unknown>;
  readonly redact: (text: string) => string;
}

export interface SendResult {
  readonly sent: number;
  /** Refused now and not before. */
  readonly refusals: readonly { readonly row: string; readonly message: string }[];
}

type Operation = 'slave' | 'layer' | 'layer gone' | 'task';

/** A row with what it has to hold, as the reports say now. */
type Item = PendingRow &
  (
    | { readonly operation: 'slave'; readonly event: 'poll' | 'sync'; readonly entry: SlaveEntry }
    | ({ readonly operation: 'layer' } & LayerRow)
    | { readonly operation: 'layer gone'; readonly publish: string }
    | ({ readonly operation: 'task' } & TaskRow)
  );

/**
 * Sends what the outbox holds, in its order, and takes out what the master has taken. A row that it refuses stays, and
 * does not hold up the others. Throws when there is no talking to the master; everything that was not taken is kept.
 */
export async function sendAll(input: SendInput): Promise<SendResult> {
  const { outbox } = input;
  const batches = new Batches(input);
  const pending = outbox.pending();
  for (let start = 0; start < pending.length; start += BATCH) {
    const byOperation = new Map<Operation, Item[]>();
    for (const row of pending.slice(start, start + BATCH)) {
      const item = itemOf(row, outbox);
      if (item === undefined) outbox.sent([row]);
      else byOperation.set(item.operation, [...(byOperation.get(item.operation) ?? []), item]);
    }
    for (const [operation, items] of byOperation) await batches.send(operation, items);
  }
  return { sent: batches.sent, refusals: batches.refusals };
}

class Batches {
  sent = 0;
  readonly refusals: { row: string; message: string }[] = [];
  readonly #input: SendInput;
  /** Refusals on end, by operation. */
  readonly #refused = new Map<Operation, number>();

  constructor(input: SendInput) {
    this.#input = input;
  }

  /** All at once; when the master refuses that, one half and then the other, down to the row that is to blame. */
  async send(operation: Operation, items: readonly Item[]): Promise<void> {
    const refused = this.#refused.get(operation) ?? 0;
    if (refused >= MAX_REFUSALS || items.length === 0) return;
    const { outbox, query, redact } = this.#input;
    try {
      for (const statement of statementsOf(items, this.#input)) await query(statement);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const [first, ...others] = items;
      if (first !== undefined && others.length === 0) {
        this.#refused.set(operation, refused + 1);
        const message = redact(describe(error));
        if (message !== first.refusal) this.refusals.push({ row: first.key, message });
        outbox.refused(first, message);
        return;
      }
      const middle = Math.ceil(items.length / 2);
      await this.send(operation, items.slice(0, middle));
      await this.send(operation, items.slice(middle));
      return;
    }
    this.#refused.set(operation, 0);
    this.sent += items.length;
    outbox.sent(items);
  }
}

/** Undefined when there is nothing to say about the row. */
function itemOf(row: PendingRow, outbox: Outbox): Item | undefined {
  const key = decodeKey(row.key);
  const [first, ...others] = outbox.reports(row.key).values();
  switch (key.table) {
    case 'slave':
      return first === undefined
        ? undefined
        : { ...row, operation: 'slave', event: key.event, entry: first as SlaveEntry };
    case 'layer': {
      const { publish } = key;
      if (first === undefined) return { ...row, operation: 'layer gone', publish };
      const entry = mergeLayers(publish, [first, ...others] as LayerEntry[]);
      return { ...row, operation: 'layer', publish, entry };
    }
    case 'task': {
      const { type, name, action } = key;
      return first === undefined
        ? undefined
        : { ...row, operation: 'task', type, name, action, entry: first as TaskEntry };
    }
  }
}

/** The items are all of one operation. */
function statementsOf(items: readonly Item[], { schema, slaveId, slave }: SendInput): Statement[] {
  const layers = items.filter((item) => item.operation === 'layer');
  const gone = items.filter((item) => item.operation === 'layer gone');
  const tasks = items.filter((item) => item.operation === 'task');
  return [
    ...items.flatMap((item) =>
      item.operation === 'slave' ? [updateSlave(schema, slaveId, slave, item.event, item.entry)] : [],
    ),
    ...(layers.length > 0 ? [upsertLayers(schema, slaveId, layers)] : []),
    ...(gone.length > 0
      ? [
          deleteLayers(
            schema,
            slaveId,
            gone.map((item) => item.publish),
          ),
        ]
      : []),
    ...(tasks.length > 0 ? [upsertTasks(schema, slaveId, tasks)] : []),
  ];
}
