import type { Json } from '../../../src/geoserver/json.js';
import { RestException } from './replies.js';

export interface Store {
  readonly type: 'dataStore' | 'wmsStore';
  readonly name: string;
  readonly fields: Record<string, unknown>;
  /** Of a WMS store: the remote layers, as they were when first asked for. */
  capabilities?: readonly string[] | undefined;
}

export interface Attribute {
  readonly name: string;
  readonly binding: string;
}

export interface Layer {
  defaultStyle: string | undefined;
  styles: readonly string[];
}

export interface Resource {
  readonly type: 'featureType' | 'wmsLayer';
  store: Store;
  readonly fields: Record<string, unknown>;
  /** The columns as last read; undefined when table or SQL do not work. */
  attributes: readonly Attribute[] | undefined;
  readonly layer: Layer;
}

export interface Style {
  version: '1.0.0' | '1.1.0';
  bytes: Buffer;
}

export interface Member {
  readonly type: 'layer' | 'layerGroup';
  readonly name: string;
}

export interface Group {
  fields: Record<string, unknown>;
  members: readonly Member[];
  /** undefined: stored without any, which breaks later changes. */
  styles: readonly string[] | undefined;
}

export interface Workspace {
  readonly name: string;
  uri: string;
  readonly stores: Map<string, Store>;
  readonly resources: Map<string, Resource>;
  readonly styles: Map<string, Style>;
  readonly groups: Map<string, Group>;
}

export interface TileLayer {
  readonly id: string;
  readonly formats: readonly string[];
  readonly gridSets: readonly string[];
  readonly meta: readonly string[];
  readonly gutter: string;
  readonly expireCache: string;
  readonly expireClients: string;
  readonly enabled: string;
}

const DEFAULT_TILES = {
  formats: ['image/png', 'image/jpeg'],
  gridSets: ['EPSG:4326', 'EPSG:900913'],
  meta: ['4', '4'],
  ...{ gutter: '0', expireCache: '0', expireClients: '0', enabled: 'true' },
};

/** Everything the stand-in knows, in memory. */
export class Catalog {
  readonly workspaces = new Map<string, Workspace>();
  readonly tileLayers = new Map<string, TileLayer>();
  /** Resources whose layer was deleted alone. */
  readonly withoutLayer = new Set<string>();
  /** Layers of which tiles are stored. */
  readonly cached = new Set<string>();
  readonly gridSets = new Map<string, string>();
  rulesFile = 'mode=HIDE\n*.*.r=*\n*.*.w=GROUP_ADMIN,ADMIN\n';
  rulesInForce = this.rulesFile;
  /** The first workspace, and when it is removed, whichever GeoServer takes next. */
  defaultWorkspace: string | undefined;
  #ids = 0;

  constructor() {
    for (const name of ['EPSG:4326', 'EPSG:900913', 'WebMercatorQuad', 'WorldCRS84Quad'])
      this.gridSets.set(name, `<gridSet><name>${name}</name></gridSet>`);
  }

  /** What a server does that reads a data directory which another one has written. */
  copyFrom(other: Catalog): void {
    const { workspaces, tileLayers, gridSets, rulesFile } = structuredClone({
      ...{ workspaces: other.workspaces, tileLayers: other.tileLayers },
      ...{ gridSets: other.gridSets, rulesFile: other.rulesFile },
    });
    replaceAll(this.workspaces, workspaces);
    this.defaultWorkspace = other.defaultWorkspace;
    replaceAll(this.tileLayers, tileLayers);
    replaceAll(this.gridSets, gridSets);
    this.rulesFile = this.rulesInForce = rulesFile;
  }

  workspace(name: string, message: string): Workspace {
    const found = this.workspaces.get(name);
    if (found === undefined) throw new RestException(404, message);
    return found;
  }

  addWorkspace(name: string, uri: string): void {
    const empty = { stores: new Map(), resources: new Map(), styles: new Map(), groups: new Map() };
    this.workspaces.set(name, { name, uri, ...empty });
    this.defaultWorkspace ??= name;
  }

  removeWorkspace(name: string): void {
    const workspace = this.workspaces.get(name);
    for (const layer of [...(workspace?.resources.keys() ?? []), ...(workspace?.groups.keys() ?? [])])
      this.dropTiles(`${name}:${layer}`);
    this.workspaces.delete(name);
    if (this.defaultWorkspace === name) this.defaultWorkspace = [...this.workspaces.keys()].at(-1);
  }

  /** The names of all workspaces, the default one first. */
  workspacesByDefault(): readonly string[] {
    const main = this.defaultWorkspace;
    const others = [...this.workspaces.keys()].filter((name) => name !== main);
    return main === undefined ? others : [main, ...others];
  }

  /** A resource name is taken in its whole workspace. */
  refuseDuplicate(workspace: Workspace, store: Store, name: string): void {
    const there = workspace.resources.get(name);
    if (there?.store === store)
      throw new RestException(500, `Resource named '${name}' already exists in store: '${store.name}'`);
    if (there !== undefined)
      throw new RestException(
        500,
        `Resource named '${name}' already exists in namespace: '${workspace.name}'`,
      );
  }

  /** Every layer and group gets a tile layer of its own. */
  addTileLayer(qualified: string): void {
    this.#ids += 1;
    this.tileLayers.set(qualified, { id: `LayerInfoImpl--${this.#ids}`, ...DEFAULT_TILES });
  }

  dropTiles(qualified: string): void {
    this.tileLayers.delete(qualified);
    this.cached.delete(qualified);
  }

  find(qualified: string): { readonly workspace: Workspace; readonly name: string } | undefined {
    const colon = qualified.indexOf(':');
    const workspace = this.workspaces.get(qualified.slice(0, colon));
    return colon < 0 || workspace === undefined ? undefined : { workspace, name: qualified.slice(colon + 1) };
  }

  layer(qualified: string): Resource | undefined {
    const found = this.find(qualified);
    return this.withoutLayer.has(qualified) ? undefined : found?.workspace.resources.get(found.name);
  }

  /** A layer may go without its resource, which then cannot be published again. */
  removeLayer(qualified: string): void {
    this.refuseMember(qualified);
    this.withoutLayer.add(qualified);
    this.dropTiles(qualified);
  }

  group(qualified: string): Group | undefined {
    const found = this.find(qualified);
    return found?.workspace.groups.get(found.name);
  }

  hasMember(member: Member): boolean {
    return (member.type === 'layer' ? this.layer(member.name) : this.group(member.name)) !== undefined;
  }

  /** The first group that has this member, in any workspace. */
  groupWith(member: Member): string | undefined {
    for (const workspace of this.workspaces.values())
      for (const [name, group] of workspace.groups)
        if (group.members.some((other) => other.type === member.type && other.name === member.name))
          return name;
    return undefined;
  }

  removeResource(workspace: Workspace, name: string): void {
    const qualified = `${workspace.name}:${name}`;
    this.refuseMember(qualified);
    workspace.resources.delete(name);
    this.withoutLayer.delete(qualified);
    this.dropTiles(qualified);
  }

  refuseMember(layer: string): void {
    const group = this.groupWith({ type: 'layer', name: layer });
    if (group !== undefined)
      throw new RestException(500, `Unable to delete layer referenced by layer group '${group}'`);
  }

  /** A style change empties the tiles of the layers that use it. */
  truncateUsersOf(workspace: Workspace, style: string): void {
    const qualified = `${workspace.name}:${style}`;
    for (const [name, { layer }] of workspace.resources)
      if (layer.defaultStyle === qualified || layer.styles.includes(qualified))
        this.cached.delete(`${workspace.name}:${name}`);
  }
}

function replaceAll<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}

/** A copy that lacks these keys. */
export function without(fields: Json, ...keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
}

/** GeoServer's merge: each given field replaces the stored one whole, null is ignored. */
export function merge(fields: Record<string, unknown>, given: Json): void {
  for (const [key, value] of Object.entries(given)) if (value !== null) fields[key] = value;
}
