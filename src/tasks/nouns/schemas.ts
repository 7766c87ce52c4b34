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

/**
 * The three schemas of a workspace. In a new one the job's level decides who may read; the last word has the workspace's own
 * task file.
 */
const createSchemas: TaskDefinition = {
  type: 'create_schemas',
  target: 'database',
  needs: ['create_extension'],
  applies: hasTable,
  object: schemaNames,
  async run(job, { database, signal }) {
    return { output: await database.ensureSchemas({ ...requestOf(job), onlyWhenNew: true }, signal) };
  },
};

const grantReaders: TaskDefinition = {
  type: 'grant_readers',
  target: 'database',
  needs: ['create_schemas'],
  applies: hasTable,
  object: schemaNames,
  async run(job, { database, signal }) {
    return { output: await database.ensureSchemas(requestOf(job), signal) };
  },
};

function requestOf(job: Job) {
  const { schema, data_schema: dataSchema, outdated_schema: outdatedSchema, auth_level } = schemasOf(job);
  // Older masters write -1 for "nobody in particular".
  const authLevel = auth_level === undefined || auth_level < 0 ? undefined : auth_level;
  return { schema, dataSchema, outdatedSchema, authLevel };
}

function schemaNames(job: Job): string {
  const { schema, data_schema, outdated_schema } = schemasOf(job);
  return [schema, data_schema, outdated_schema].join(' ');
}

export default [createExtension, createSchemas, grantReaders];
