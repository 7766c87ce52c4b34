import { z } from 'zod';
import { layer, name, text } from '../fields.js';
import { defineKind } from '../kind.js';

const common = { ...layer, store: name };

/** A layer of a cascaded WMS. */
export default defineKind({
  name: 'wms_layer',
  place: { folder: 'wms_layers' },
  filter: 'wms',
  actions: {
    publish: {
      schema: z
        .object({ ...common, native_name: text.optional() })
        .transform((spec) => ({ ...spec, native_name: spec.native_name ?? spec.name })),
      tasks: [
        'create_workspace',
        'update_wms_layer',
        'update_tile_layer',
        'empty_tiles',
        'refresh_replicas',
        'purge_cdn',
        'update_preview',
      ],
    },
    remove: { schema: z.object(common), tasks: ['remove_wms_layer', 'refresh_replicas', 'purge_cdn'] },
    empty_gwc: {
      schema: z.object({ workspace: name, name }),
      tasks: ['empty_tiles', 'refresh_replicas', 'purge_cdn'],
    },
  },
  identityOf: (spec) => `layer:${String(spec['workspace'])}:${String(spec['name'])}`,
  nameOf: (spec) => String(spec['name']),
  removable: true,
});
