import { z } from 'zod';
import { layer, name, sql, styles } from '../fields.js';
import { defineKind, type Spec } from '../kind.js';
import { styleClaims } from '../style-names.js';

const common = {
  ...layer,
  datastore: name.optional(),
  schema: name.nullish(),
  table: name.nullish(),
  viewsql: sql.nullish(),
  spatial_column: sql.nullish(),
  spatial_type: sql.nullish(),
  styles: styles.default({}),
  default_style: name.nullish(),
};

/** Older masters name the store `store`. */
const withStore = (raw: unknown): Spec => {
  const spec = raw as Spec;
  return { ...spec, datastore: spec['datastore'] ?? spec['store'] };
};

const publish = z.preprocess(
  withStore,
  z.object({ ...common, datastore: name }).refine((spec) => Boolean(spec.table) !== Boolean(spec.viewsql), {
    path: ['table'],
    message: 'give either table or viewsql',
  }),
);

/** A layer over a table or an SQL view of a live store; nothing is restored. */
export default defineKind({
  name: 'live_layer',
  place: { folder: 'live_layers' },
  fileNames: 'workspace.name',
  filter: 'feature',
  actions: {
    publish: {
      schema: publish,
      tasks: [
        'fetch_styles',
        'create_workspace',
        'update_styles',
        'update_live_feature_type',
        'update_layer',
        'remove_lost_styles',
        'update_tile_layer',
        'empty_tiles',
        'refresh_replicas',
        'purge_cdn',
        'update_preview',
      ],
    },
    remove: {
      schema: z.preprocess(withStore, z.object({ ...common, datastore: name })),
      tasks: ['remove_live_feature_type', 'remove_styles', 'refresh_replicas', 'purge_cdn'],
    },
    empty_gwc: {
      schema: z.object({ workspace: name, name }),
      tasks: ['empty_tiles', 'refresh_replicas', 'purge_cdn'],
    },
  },
  identityOf: (spec) => `layer:${String(spec['workspace'])}:${String(spec['name'])}`,
  claimsOf: styleClaims,
  nameOf: (spec) => String(spec['name']),
  removable: true,
});
