import { z } from 'zod';
import { name, settings } from '../fields.js';
import { defineKind } from '../kind.js';

const remove = { workspace: name, name, sync_geoserver_data: z.boolean().default(true) };

/** Any other key of a live store is a connection parameter of GeoServer's PostGIS store. */
const publish = z
  .object({
    ...remove,
    host: z.string().min(1),
    database: z.string().min(1),
    geoserver_setting: settings.default({}),
  })
  .catchall(z.unknown());

/** A PostGIS data store that GeoServer reads directly. */
export default defineKind({
  name: 'live_store',
  place: { folder: 'live_stores' },
  filter: 'feature',
  actions: {
    publish: { schema: publish, tasks: ['create_workspace', 'update_live_store', 'refresh_replicas'] },
    remove: { schema: z.object(remove), tasks: ['remove_live_store', 'refresh_replicas'] },
  },
  identityOf: (spec) => `store:${String(spec['workspace'])}:${String(spec['name'])}`,
  nameOf: (spec) => String(spec['name']),
  removable: true,
  secretKeys: ['passwd', 'password'],
});
