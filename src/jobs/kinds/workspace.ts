import { z } from 'zod';
import { authLevel, name, workspaceName } from '../fields.js';
import { defineKind } from '../kind.js';

/** A workspace: three schemas with their reader role in PostgreSQL, a workspace with its namespace in GeoServer. */
const publish = z
  .object({
    workspace: name.optional(),
    schema: name,
    data_schema: name,
    outdated_schema: name,
    auth_level: authLevel.default(-1),
    sync_postgres_data: z.boolean().default(true),
    sync_geoserver_data: z.boolean().default(true),
  })
  .refine(({ workspace, schema }) => workspace === undefined || workspace === schema, {
    path: ['workspace'],
    message: 'is not the name of its schema: another workspace may be at home there',
  })
  .transform((spec) => ({ ...spec, workspace: spec.workspace ?? spec.schema }))
  .refine(({ workspace }) => workspaceName.safeParse(workspace).success, {
    path: ['workspace'],
    message: '"default" stands for another workspace in the addresses of GeoServer',
  });

export default defineKind({
  name: 'workspace',
  place: { folder: 'workspaces' },
  filter: 'feature',
  // Its file names only the schema, while one filter governs it and its features: job['workspace'] and job['name'] must do.
  forFilters: ({ schema }) => ({ workspace: schema, name: schema }),
  actions: {
    publish: {
      schema: publish,
      tasks: ['create_extension', 'create_schemas', 'grant_readers', 'create_workspace', 'refresh_replicas'],
    },
  },
  identityOf: (spec) => `workspace:${String(spec['workspace'])}`,
  nameOf: (spec) => String(spec['workspace']),
  claimsOf: (spec) => ['schema', 'data_schema'].map((key) => `schema:${String(spec[key])}`),
  removable: false,
});
