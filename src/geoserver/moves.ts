import { path, qualify, segment, type Qualified } from './names.js';
import type { Rest } from './rest.js';

export interface Move extends Qualified {
  /** The name of the store that the layer was in before. */
  readonly from: string;
}

/**
 * Finishes the move of a layer to another store, which is one PUT of its resource. GeoServer 2.26 then keeps the resource in
 * the folder of the new store, but the layer in that of the old one: at the next restart the layer would be back in its old
 * store, or lost with it. Writing the layer puts it beside its resource; what is left in the old folder is deleted.
 */
export async function finishMove(rest: Rest, move: Move, signal: AbortSignal): Promise<void> {
  const address = path`/rest/layers/${qualify(move)}.json`;
  await rest.write({ method: 'PUT', path: address, json: { layer: { name: move.name } } }, signal);
  await rest.delete(
    `/rest/resource/workspaces/${[move.workspace, move.from, move.name].map(segment).join('/')}`,
    signal,
  );
}
