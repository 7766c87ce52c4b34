import { z } from 'zod';
import { webAddressProblem } from '../addresses.js';
import { name, settings, workspaceName } from '../fields.js';
import { defineKind } from '../kind.js';

const remove = { workspace: workspaceName, name, sync_geoserver_data: z.boolean().default(true) };

const publish = z.object({
  ...remove,
  capability_url: z.string().superRefine((address, context) => {
    const problem = webAddressProblem(address);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  }),
  username: z.string().nullish(),
  password: z.string().nullish(),
  geoserver_setting: settings.default({}),
});

/** A WMS of another server, whose layers are cascaded. */
export default defineKind({
  name: 'wms_store',
  place: { folder: 'wms_stores' },
  filter: 'wms',
  actions: {
    publish: { schema: publish, tasks: ['create_workspace', 'update_wms_store', 'refresh_replicas'] },
    remove: { schema: z.object(remove), tasks: ['remove_wms_store', 'refresh_replicas'] },
  },
  identityOf: (spec) => `store:${String(spec['workspace'])}:${String(spec['name'])}`,
  nameOf: (spec) => String(spec['name']),
  removable: true,
  secretKeys: ['password'],
});
