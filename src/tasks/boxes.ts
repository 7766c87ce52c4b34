import type { Job } from '../jobs/job.js';
import type { Box } from '../geoserver/client.js';
import { layerOf } from './layer.js';

/** The box of the task file, which is always in degrees; undefined when it is missing or has no area to show. */
export function latLonBoxOf(job: Job): Box | undefined {
  const { bbox } = layerOf(job);
  if (!bbox || ![bbox.minx, bbox.miny, bbox.maxx, bbox.maxy].every(Number.isFinite)) return undefined;
  return bbox.minx <= bbox.maxx && bbox.miny <= bbox.maxy ? bbox : undefined;
}
