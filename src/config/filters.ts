import { FilterError, type Filter, type FilterSetting } from '../jobs/filters/filter.js';
import { fromJson, isTruthy } from '../jobs/filters/values.js';
import type { Reader } from './reader.js';
import type { VariableName } from './variables.js';

const TAKE_ALL = 'lambda job: True';
const TAKE_NONE = 'lambda job: False';
const TAKE_ALLOWED = "lambda job:job.get('allow_authenticated',False)";

/** The defaults as functions, so that a start without own filters does not load the parser. */
const TAKES_NONE: Filter = { accepts: () => false };
const KNOWN: ReadonlyMap<string, Filter> = new Map([
  [TAKE_ALL, { accepts: () => true }],
  [TAKE_NONE, TAKES_NONE],
  [TAKE_ALLOWED, { accepts: (job) => isTruthy(fromJson(job['allow_authenticated'])) }],
]);

/** The three filters; a portal slave (one with SYNC_SERVER) takes little unless told otherwise. */
export async function readFilters(
  reader: Reader,
  isPortal: boolean,
): Promise<{
  readonly feature: FilterSetting;
  readonly wms: FilterSetting;
  readonly layergroup: FilterSetting;
}> {
  return {
    feature: await readFilter(reader, 'FEATURE_FILTER', isPortal ? TAKE_ALLOWED : TAKE_ALL),
    wms: await readFilter(reader, 'WMS_FILTER', isPortal ? TAKE_NONE : TAKE_ALL),
    layergroup: await readFilter(reader, 'LAYERGROUP_FILTER', isPortal ? TAKE_NONE : TAKE_ALL),
  };
}

async function readFilter(
  reader: Reader,
  name: VariableName<'filter'>,
  fallback: string,
): Promise<FilterSetting> {
  const source = reader.raw(name, fallback) ?? fallback;
  const isDefault = !reader.isSet(name);
  const known = KNOWN.get(source);
  const setting = { variable: name, source, isDefault };
  if (known !== undefined) return { ...setting, filter: known };
  try {
    const { compileFilter } = await import('../jobs/filters/compile.js');
    return { ...setting, filter: compileFilter(source, name) };
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    reader.problem(name, error.message);
    return { ...setting, filter: TAKES_NONE };
  }
}
