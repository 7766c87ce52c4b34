import { at } from './json.js';

/** A bounding box in the units of its coordinate system. */
export interface Box {
  readonly minx: number;
  readonly miny: number;
  readonly maxx: number;
  readonly maxy: number;
}

export const LAT_LON = 'EPSG:4326';

/** As GeoServer takes it. */
export function toJson(box: Box, crs: string): object {
  return { minx: box.minx, maxx: box.maxx, miny: box.miny, maxy: box.maxy, crs };
}

/** As GeoServer returns it; undefined when there is none. */
export function fromJson(value: unknown): Box | undefined {
  const [minx, miny, maxx, maxy] = ['minx', 'miny', 'maxx', 'maxy'].map((key) => Number(at(value, key)));
  if (minx === undefined || miny === undefined || maxx === undefined || maxy === undefined) return undefined;
  return [minx, miny, maxx, maxy].every(Number.isFinite) ? { minx, miny, maxx, maxy } : undefined;
}

/** Equal when no side differs by more than rounding to text and back makes. */
export function sameBox(a: Box | undefined, b: Box | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const close = (x: number, y: number): boolean =>
    Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
  return close(a.minx, b.minx) && close(a.miny, b.miny) && close(a.maxx, b.maxx) && close(a.maxy, b.maxy);
}

/** False for what GeoServer gives a layer without geometry or rows: maximum below minimum. */
export function isProper(box: Box): boolean {
  return box.minx <= box.maxx && box.miny <= box.maxy;
}

/** The smallest box around all proper ones; undefined when there is none. */
export function union(boxes: readonly Box[]): Box | undefined {
  const [first, ...rest] = boxes.filter(isProper);
  if (first === undefined) return undefined;
  return rest.reduce(
    (sum, box) => ({
      minx: Math.min(sum.minx, box.minx),
      miny: Math.min(sum.miny, box.miny),
      maxx: Math.max(sum.maxx, box.maxx),
      maxy: Math.max(sum.maxy, box.maxy),
    }),
    first,
  );
}

/** Widens a box without area (one point, one straight line), which no map can be drawn of. */
export function withArea(box: Box): Box {
  const pad = Math.max(box.maxx - box.minx, box.maxy - box.miny, 0.01) / 2;
  const x = box.maxx > box.minx ? 0 : pad;
  const y = box.maxy > box.miny ? 0 : pad;
  return { minx: box.minx - x, miny: box.miny - y, maxx: box.maxx + x, maxy: box.maxy + y };
}
