import type { Job } from '../jobs/job.js';
import { layerOf } from './layer.js';
import type { MadeThings } from './task.js';

/** A layer in a store of GeoServer, as `{workspace}/{store}/{layer}`: no name has a slash. */
const RESOURCE = 'resource';

/** The stores in which the record says this layer is, on this target: more than one name only after an interrupted move. */
export function storesOf(job: Job, made: MadeThings): string[] {
  return made.of(RESOURCE, job.identity).map((address) => address.split('/')[1] ?? '');
}

/** The store that the layer has to be moved from, if it is another one than this. */
export function formerStore(job: Job, store: string, made: MadeThings): { previousStore?: string } {
  const previousStore = storesOf(job, made).find((known) => known !== store);
  return previousStore === undefined ? {} : { previousStore };
}

/** The layer is in this store now, and in no other. */
export async function noteStore(job: Job, store: string, made: MadeThings): Promise<void> {
  await made.add(RESOURCE, addressOf(job, store), job.identity);
  for (const other of storesOf(job, made)) if (other !== store) made.remove(RESOURCE, addressOf(job, other));
}

/** The layer is gone. */
export function forgetStores(job: Job, made: MadeThings): void {
  for (const store of storesOf(job, made)) made.remove(RESOURCE, addressOf(job, store));
}

function addressOf(job: Job, store: string): string {
  const { workspace, name } = layerOf(job);
  return [workspace, store, name].join('/');
}
