import type { Job } from '../../jobs/job.js';
import { hasTable } from '../layer.js';
import type { TaskDefinition } from '../task.js';

interface Schemas {
  readonly schema: string;
  readonly data_schema: string;
  readonly outdated_schema: string;
  readonly auth_level?: number;
}

const schemasOf = (job: Job): Schemas => job.spec as unknown as Schemas;

const createExtension: TaskDefinition = {
  type: 'create_extension',
  target: 'database',
  needs: [],
  applies: hasTable,
  object: () => 'postgis',
  async run(_job, { database, signal }) {
    return { output: await database.ensureExtension(signal) };
  },
};

/** The three schemas of a workspace and the role that may read its views. */
const createSchemas: TaskDefinition = {
  type: 'create_schemas',
  target: 'database',
  needs: ['create_extension'],
  applies: hasTable,
  // A workspace's own task file decides who may read; features only make sure that the schemas are there.
  object: (job) => {
    const { schema, data_schema, outdated_schema, auth_level } = schemasOf(job);
    return [schema, data_schema, outdated_schema, auth_level ?? -1].join(' ');
  },
  async run(job, { database, signal }) {
    const { schema, data_schema, outdated_schema, auth_level } = schemasOf(job);
    const change = await database.ensureSchemas(
      { schema, dataSchema: data_schema, outdatedSchema: outdated_schema, authLevel: auth_level ?? -1 },
      signal,
    );
    return { output: change };
  },
};

export default [createExtension, createSchemas];
