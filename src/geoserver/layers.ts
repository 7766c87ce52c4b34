import { AgentError } from '../lib/errors.js';
import { fromJson, type Box } from './boxes.js';
import { converge, type Change } from './change.js';
import { at, list, sameSet, text } from './json.js';
import { path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';

export interface LayerStyles {
  readonly workspace: string;
  readonly layer: string;
  /** A style of the same workspace; without it the layer keeps its default. */
  readonly defaultStyle?: string;
  /** The alternate styles, of the same workspace; the default may be among them. */
  readonly styles: readonly string[];
  /** The layer was just made: it is written without looking first. */
  readonly likelyNew?: boolean;
  /** The styles were just made, or seen: what GeoServer makes of a change need not be read again. */
  readonly stylesExist?: boolean;
}

/**
 * Gives the layer its default style and its alternates. GeoServer drops styles that do not exist without a word, so,
 * unless the caller has made sure of them, what it made of a change is read again: AgentError('not-published-yet', transient) names those it dropped.
 */
export function setLayerStyles(rest: Rest, wanted: LayerStyles, signal: AbortSignal): Promise<Change> {
  const name = { workspace: wanted.workspace, name: wanted.layer };
  const address = layerPath(name);
  // Qualified: a bare name would prefer a global style.
  const style = (bare: string): { name: string } => ({
    name: qualify({ workspace: wanted.workspace, name: bare }),
  });
  const json = {
    layer: {
      ...(wanted.defaultStyle === undefined ? {} : { defaultStyle: style(wanted.defaultStyle) }),
      styles: { style: alternatesOf(wanted).map(style) },
    },
  };
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(name, () =>
    converge(async () => {
      if (!likelyNew && missingIn(await readLayer(rest, name, signal), wanted).same) return 'unchanged';
      likelyNew = false;
      await rest.write({ method: 'PUT', path: address, json }, signal);
      if (wanted.stylesExist === true) return 'updated';
      const { same, missing } = missingIn(await readLayer(rest, name, signal), wanted);
      if (same) return 'updated';
      throw new AgentError(
        'not-published-yet',
        `GeoServer did not take these styles for layer ${qualify(name)}: ${missing.join(', ') || 'too many left'}`,
        { retry: 'transient', hint: 'Do they exist in the workspace of the layer?' },
      );
    }, signal),
  );
}

/** What a layer shows: something of a data store, or of a WMS store. */
export type LayerKind = 'featureType' | 'wmsLayer';

/**
 * The box in degrees of a layer of any kind, the likely one looked for first; 'missing' when there is no such layer. Read only
 * when it is not known already (Rest.boxes).
 */
export async function layerBox(
  rest: Rest,
  layer: Qualified,
  likely: LayerKind,
  signal: AbortSignal,
): Promise<Box | undefined | 'missing'> {
  const { workspace, name } = layer;
  if (rest.boxes.has(qualify(layer))) return rest.boxes.get(qualify(layer));
  // Reading at the level of the workspace is safe; only writing there switches the layer off.
  const addresses = {
    featureType: path`/rest/workspaces/${workspace}/featuretypes/${name}.json`,
    wmsLayer: path`/rest/workspaces/${workspace}/wmslayers/${name}.json`,
  };
  for (const kind of new Set<LayerKind>([likely, 'featureType', 'wmsLayer'])) {
    const found = await rest.getJson(`${addresses[kind]}?quietOnNotFound=true`, signal);
    if (found === undefined) continue;
    const box = fromJson(at(found, kind, 'latLonBoundingBox'));
    rest.boxes.set(qualify(layer), box);
    return box;
  }
  return 'missing';
}

async function readLayer(rest: Rest, name: Qualified, signal: AbortSignal): Promise<unknown> {
  const found = await rest.getJson(layerPath(name), signal);
  if (found !== undefined) return at(found, 'layer');
  throw new AgentError('not-published-yet', `GeoServer has no layer ${qualify(name)}`, {
    retry: 'transient',
  });
}

function missingIn(layer: unknown, wanted: LayerStyles): { same: boolean; missing: readonly string[] } {
  const qualified = (name: string): string => `${wanted.workspace}:${name}`;
  const actualDefault = text(at(layer, 'defaultStyle', 'name'));
  const actual = alternatesIn(layer);
  const alternates = alternatesOf(wanted);
  const defaultFits = wanted.defaultStyle === undefined || actualDefault === qualified(wanted.defaultStyle);
  return {
    same: defaultFits && sameSet(actual, alternates.map(qualified)),
    missing: [
      ...(defaultFits ? [] : [wanted.defaultStyle ?? '']),
      ...alternates.filter((name) => !actual.includes(qualified(name))),
    ],
  };
}

/** GeoServer keeps a set: in any order, and without the default. */
function alternatesOf(wanted: LayerStyles): readonly string[] {
  return [...new Set(wanted.styles)].filter((name) => name !== wanted.defaultStyle);
}

function alternatesIn(layer: unknown): readonly string[] {
  return list(at(layer, 'styles', 'style')).map((style) => text(at(style, 'name')));
}

function layerPath(name: Qualified): string {
  return path`/rest/layers/${qualify(name)}.json`;
}
