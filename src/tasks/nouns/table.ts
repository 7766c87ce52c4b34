import type { Job } from '../../jobs/job.js';
import { AgentError } from '../../lib/errors.js';
import { featureOf, goneTableToken, hasTable, partsOf, tableToken, type FeatureSpec } from '../layer.js';
import type { TaskSettings } from '../settings.js';
import type { TaskDefinition } from '../task.js';

/** Restored beside the live table, verified, and swapped behind the access view; see the database adapter. */
const restoreTable: TaskDefinition = {
  type: 'restore_table',
  target: 'database',
  resource: 'restore',
  needs: ['fetch_dump', 'create_schemas'],
  applies: hasTable,
  object: tableName,
  settles: (job) => [tableToken(featureOf(job).data_schema ?? '', featureOf(job).name)],
  async run(job, { database, transfer, signal, output }) {
    const dump = output('fetch_dump') as { path: string; md5: string } | undefined;
    if (dump === undefined) throw new Error(`${job.path}: there is no dump to restore`);
    const result = await database.publishTable(
      { ...placeOf(job), dumpPath: dump.path, md5: dump.md5, jobId: String(featureOf(job).job_id ?? '') },
      signal,
    );
    // It stays in the cache for peers and for the next transfer's delta, and may go when room is needed.
    transfer.release(dump);
    return {
      output: { change: result.change, md5: dump.md5 },
      warnings: result.warnings,
    };
  },
};

/** Tables that refer to this one by a foreign key have to be removed or republished first. */
const findDependents: TaskDefinition = {
  type: 'find_dependents',
  target: 'database',
  ephemeral: true,
  needs: [],
  applies: hasRecordedTable,
  object: tableName,
  async run(job, { database, signal }) {
    const children = await database.referencingTables(placeOf(job), signal);
    return {
      waitsFor: children.flatMap(({ schema, table }) => [
        goneTableToken(schema, table),
        tableToken(schema, table),
      ]),
    };
  },
};

const dropTable: TaskDefinition = {
  type: 'drop_table',
  target: 'database',
  resource: 'restore',
  needs: ['remove_feature_type', 'find_dependents'],
  afterEveryServer: true,
  applies: hasRecordedTable,
  object: tableName,
  settles: (job) => [goneTableToken(featureOf(job).data_schema ?? '', featureOf(job).name)],
  async run(job, { database, signal }) {
    return { output: await database.removeTable(placeOf(job), signal) };
  },
};

function tableName(job: Job): string {
  return `${featureOf(job).data_schema ?? ''}.${featureOf(job).name}`;
}

function hasRecordedTable(job: Job, settings: TaskSettings): boolean {
  const { sync_postgres_data, schema, data_schema, outdated_schema } = featureOf(job);
  const isKnown = schema !== undefined && data_schema !== undefined && outdated_schema !== undefined;
  return partsOf(job, settings).tables && sync_postgres_data && isKnown;
}

function placeOf(job: Job) {
  const spec: FeatureSpec = featureOf(job);
  const { schema, data_schema: dataSchema, outdated_schema: outdatedSchema, name: table } = spec;
  if (schema === undefined || dataSchema === undefined || outdatedSchema === undefined)
    throw new AgentError('invalid-task-file', `${job.path}: schemas are missing`, { retry: 'final' });
  return { schema, dataSchema, outdatedSchema, table };
}

export default [restoreTable, findDependents, dropTable];
