import { z } from 'zod';
import { fileReference, layer, name, sql, styles } from '../fields.js';
import { defineKind, type Spec } from '../kind.js';
import { styleClaims } from '../style-names.js';

const common = {
  ...layer,
  schema: name.optional(),
  data_schema: name.optional(),
  outdated_schema: name.optional(),
  sync_postgres_data: z.boolean().default(true),
  spatial_column: sql.nullish(),
  spatial_type: sql.nullish(),
  styles: styles.default({}),
  default_style: name.nullish(),
  viewsql: sql.nullish(),
  job_id: z.union([z.number(), z.string()]).nullish(),
  job_batch_id: z.union([z.number(), z.string()]).nullish(),
};

/** The oldest form names dump and style by `dump_path` and `style_path`: they become `data` and the builtin style. */
const publish = z.preprocess(
  (raw) => {
    const spec = raw as Spec;
    return {
      ...spec,
      ...(spec['data'] === undefined && spec['dump_path'] !== undefined
        ? { data: { file: spec['dump_path'], md5: spec['data_md5'] } }
        : {}),
      ...(spec['styles'] === undefined && spec['style_path'] !== undefined
        ? { styles: { builtin: { file: spec['style_path'], md5: spec['style_md5'], default: true } } }
        : {}),
    };
  },
  z.object({ ...common, data: fileReference.optional() }).superRefine((spec, context) => {
    if (!spec.sync_postgres_data) return;
    for (const key of ['schema', 'data_schema', 'outdated_schema', 'data'] as const)
      if (spec[key] === undefined) context.addIssue({ code: 'custom', path: [key], message: 'is missing' });
    if (new Set([spec.schema, spec.data_schema, spec.outdated_schema]).size < 3)
      context.addIssue({
        code: 'custom',
        path: ['schema'],
        message: 'the three schemas must be different ones',
      });
  }),
);

const UPDATE_LAYER = [
  'create_workspace',
  'create_data_store',
  'update_styles',
  'update_feature_type',
  'update_layer',
  'remove_lost_styles',
  'update_tile_layer',
  'empty_tiles',
  'refresh_replicas',
  'purge_cdn',
  'update_preview',
];

export default defineKind({
  name: 'feature',
  place: { folder: 'layers' },
  fileNames: 'workspace.name',
  filter: 'feature',
  actions: {
    publish: {
      schema: publish,
      tasks: [
        'fetch_dump',
        'fetch_styles',
        'create_extension',
        'create_schemas',
        'restore_table',
        ...UPDATE_LAYER,
      ],
    },
    meta: { schema: z.object(common), tasks: ['fetch_styles', ...UPDATE_LAYER] },
    remove: {
      schema: z.object(common),
      tasks: [
        'remove_feature_type',
        'remove_styles',
        'find_dependents',
        'drop_table',
        'refresh_replicas',
        'purge_cdn',
      ],
    },
    empty_gwc: {
      schema: z.object({ workspace: name, name }),
      tasks: ['empty_tiles', 'refresh_replicas', 'purge_cdn'],
    },
  },
  identityOf: (spec) => `layer:${String(spec['workspace'])}:${String(spec['name'])}`,
  claimsOf: (spec) => [...styleClaims(spec), ...relationsOf(spec)],
  nameOf: (spec) => String(spec['name']),
  hasLayerRow: true,
  removable: true,
  overlay: {
    suffix: '.meta.json',
    action: 'meta',
    keep: ['action', 'data', 'dump_path', 'data_md5', 'job_id', 'job_batch_id', 'publish_time'],
  },
});

/** The table and the access view that it fills: no two files may share one. */
function relationsOf(spec: Spec): string[] {
  const { sync_postgres_data, schema, data_schema, name: table } = spec;
  if (sync_postgres_data === false || typeof schema !== 'string' || typeof data_schema !== 'string')
    return [];
  return [schema, data_schema].map((place) => `relation:${JSON.stringify([place, table])}`);
}
