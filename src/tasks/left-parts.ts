import type { Parts } from '../jobs/job.js';
import type { TaskRecord } from '../state/records.js';
import type { TaskDefinition } from './task.js';

export interface SkippedParts {
  readonly db: boolean;
  readonly gs: boolean;
}

type Definitions = ReadonlyMap<string, Pick<TaskDefinition, 'target'>>;

/** What is applied of a task file, as its task records say, and SKIP_DB and SKIP_GS have let go of since. */
export function leftParts(
  records: readonly TaskRecord[],
  skip: SkippedParts,
  definitions: Definitions,
): Parts | undefined {
  const applied = partsIn(records, definitions);
  const left = { tables: skip.db && applied.tables, layers: skip.gs && applied.layers };
  return left.tables || left.layers ? left : undefined;
}

/** Of these, what may be removed: a table stays while a layer of this slave is made of it. */
export function prunableParts(
  records: readonly TaskRecord[],
  skip: SkippedParts,
  definitions: Definitions,
): Parts | undefined {
  const left = leftParts(records, skip, definitions);
  const isServed = !skip.gs && partsIn(records, definitions).layers;
  if (left === undefined || (isServed && !left.layers)) return undefined;
  return { ...left, tables: left.tables && !isServed };
}

function partsIn(records: readonly TaskRecord[], definitions: Definitions): Parts {
  const kinds = new Set(
    records.filter(({ action }) => action !== 'remove').map(({ type }) => definitions.get(type)?.target),
  );
  return { tables: kinds.has('database'), layers: kinds.has('geoserver') };
}
