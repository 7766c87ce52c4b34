import { z } from 'zod';
import { layer, name } from '../fields.js';
import { defineKind, type Spec } from '../kind.js';

/** A member is of the group's own workspace unless it says another. */
const member = z.object({
  type: z.enum(['wms_layer', 'publish', 'live_layer', 'livelayer', 'group']),
  name,
  workspace: name,
});

const remove = z.object({
  ...layer,
  layers: z.array(member).default([]),
});

const publish = z
  .object({ ...layer, srs: z.string().nullish(), layers: z.array(member).min(1) })
  .refine((spec) => !spec.layers.some((of) => of.workspace === spec.workspace && of.name === spec.name), {
    path: ['layers'],
    message: 'the group holds itself',
  });

/** A group of layers and other groups, drawn in the order of the list. */
export default defineKind({
  name: 'layergroup',
  place: { folder: 'layergroups' },
  fileNames: 'workspace.name',
  filter: 'layergroup',
  actions: {
    publish: {
      schema: publish,
      tasks: [
        'create_workspace',
        'update_layergroup',
        'update_tile_layer',
        'empty_tiles',
        'refresh_replicas',
        'purge_cdn',
        'update_preview',
      ],
    },
    remove: { schema: remove, tasks: ['remove_layergroup', 'refresh_replicas', 'purge_cdn'] },
    empty_gwc: {
      schema: z.object({ workspace: name, name }),
      tasks: ['empty_tiles', 'refresh_replicas', 'purge_cdn'],
    },
  },
  identityOf: (spec) => `layer:${String(spec['workspace'])}:${String(spec['name'])}`,
  nameOf: (spec) => String(spec['name']),
  dependsOn: (spec) => membersOf(spec),
  removable: true,
});

function membersOf(spec: Spec): string[] {
  const layers: unknown = spec['layers'];
  if (!Array.isArray(layers)) return [];
  return (layers as Partial<Record<'workspace' | 'name', unknown>>[]).map(
    (of) => `layer:${String(of.workspace)}:${String(of.name)}`,
  );
}
