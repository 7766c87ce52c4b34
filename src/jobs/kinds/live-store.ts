import { z } from 'zod';
import { name, settings, workspaceName } from '../fields.js';
import { defineKind, type Spec } from '../kind.js';

const remove = { workspace: workspaceName, name, sync_geoserver_data: z.boolean().default(true) };

/**
 * GeoServer writes host, port and database into the driver's address `jdbc:postgresql://host:port/database`, where a "?" or a
 * "/" would begin properties of the driver, some of which load classes or write files.
 */
const CONNECTION: Readonly<Record<string, { readonly form: RegExp; readonly what: string }>> = {
  host: { form: /^[\p{L}\p{N}._-]+$|^\[?[0-9A-Fa-f:.]+\]?$/u, what: 'is no name or address of a host' },
  port: { form: /^\d{1,5}$/, what: 'is no port' },
  database: {
    form: /^[^?&/\\#%;\p{Cc}]+$/u,
    what: 'has a character that an address of the driver cannot hold',
  },
  dbtype: { form: /^postgis$/, what: 'can only be postgis' },
};

/** Any other key of a live store is a connection parameter of GeoServer's PostGIS store. */
const publish = z
  .object({
    ...remove,
    host: z.string().min(1),
    database: z.string().min(1),
    geoserver_setting: settings.default({}),
  })
  .catchall(z.unknown())
  .superRefine((spec, context) => {
    const places: [string[], Spec][] = [
      [[], spec],
      [['geoserver_setting'], spec.geoserver_setting],
    ];
    for (const [path, place] of places)
      for (const [key, { form, what }] of Object.entries(CONNECTION)) {
        const value = place[key];
        const isText = typeof value === 'string' || typeof value === 'number';
        if (value === undefined || value === null || (isText && form.test(String(value)))) continue;
        context.addIssue({ code: 'custom', path: [...path, key], message: what });
      }
  });

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
