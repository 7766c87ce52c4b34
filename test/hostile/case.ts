import type { Lab } from './lab.js';

export type Spec = Record<string, unknown>;

/**
 * What has to become of the task file: it is published, since it is odd but right; it asks for nothing; or it fails with a
 * message that matches.
 */
export type Outcome = 'published' | 'ignored' | RegExp;

export interface Submission {
  /** The task file that the outcome is about. */
  readonly path: string;
  /** Content by path in the state repository. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Symbolic links of the state repository: path to target. */
  readonly links?: Readonly<Record<string, string>>;
  /** Besides what is checked of every case; runs after the pull. */
  readonly check?: () => Promise<void>;
}

export interface HostileCase {
  readonly title: string;
  readonly outcome: Outcome;
  /** `id` is a harmless name that no other case has. */
  make(lab: Lab, id: string): Submission | Promise<Submission>;
}

export interface HostileClass {
  readonly name: string;
  readonly cases: readonly HostileCase[];
}

export type Folder =
  'layers' | 'workspaces' | 'live_stores' | 'live_layers' | 'wms_stores' | 'wms_layers' | 'layergroups';

type SpecOf = Spec | ((lab: Lab, id: string) => Spec | Promise<Spec>);

/** A task file of this folder that is right but for the keys given. */
export function task(folder: Folder, title: string, spec: SpecOf, outcome: Outcome): HostileCase {
  return {
    title: `${folder}: ${title}`,
    outcome,
    make: async (lab, id) => {
      const own = typeof spec === 'function' ? await spec(lab, id) : spec;
      const path = `dpaw/${folder}/${id}.json`;
      return { path, files: { [path]: JSON.stringify({ ...defaults(folder, lab, id), ...own }) } };
    },
  };
}

/** A task file of this folder with this content, byte for byte. */
export function raw(
  folder: Folder,
  title: string,
  content: (lab: Lab, id: string) => string | Buffer,
  outcome: Outcome,
): HostileCase {
  return {
    title: `${folder}: ${title}`,
    outcome,
    make: (lab, id) => {
      const path = `dpaw/${folder}/${id}.json`;
      return { path, files: { [path]: content(lab, id) } };
    },
  };
}

/** A feature with a real dump of its table of three points. Published ones are looked at in the database and in GeoServer. */
export function feature(title: string, spec: SpecOf, outcome: Outcome): HostileCase {
  return {
    title: `layers, with its dump: ${title}`,
    outcome,
    make: async (lab, id) => {
      const own = typeof spec === 'function' ? await spec(lab, id) : spec;
      const merged: Spec = { ...defaults('layers', lab, id), ...own };
      const { schema, data_schema, name, workspace } = merged as Record<string, string>;
      const data = own['data'] ?? (await lab.dump(data_schema ?? '', name ?? ''));
      const path = `dpaw/layers/${id}.json`;
      return {
        path,
        files: { [path]: JSON.stringify({ ...merged, data }) },
        ...(outcome === 'published'
          ? { check: () => lab.expectLayer(workspace ?? '', schema ?? '', name ?? '') }
          : {}),
      };
    },
  };
}

/** Keys of a right task file of this folder; everything is in the workspace `evil`, which the good layer is not in. */
export function defaults(folder: Folder, lab: Lab, id: string): Spec {
  const own = { workspace: 'evil', name: id };
  switch (folder) {
    case 'layers':
      return {
        ...own,
        ...{ schema: 'evil', data_schema: 'evil_data', outdated_schema: 'evil_outdated' },
        ...{ auth_level: 1, title: id, crs: 'EPSG:4326', data: lab.goodDump },
      };
    case 'workspaces':
      return {
        ...{ schema: id, data_schema: `${id}_data`, outdated_schema: `${id}_outdated`, auth_level: 1 },
      };
    case 'live_stores':
      return { ...own, host: '127.0.0.1', database: 'live' };
    case 'live_layers':
      return { ...own, datastore: 'live', table: 't' };
    case 'wms_stores':
      return { ...own, capability_url: 'http://maps.example.org/wms?' };
    case 'wms_layers':
      return { ...own, store: 'remote' };
    case 'layergroups':
      return { ...own, layers: [{ type: 'publish', workspace: 'ws1', name: 'good' }] };
  }
}
