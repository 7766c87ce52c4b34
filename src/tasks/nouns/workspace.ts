import type { Job } from '../../jobs/job.js';
import { hasGeoServerPart } from '../layer.js';
import type { TaskDefinition } from '../task.js';
import type { TaskSettings } from '../settings.js';

const workspaceOf = (job: Job): string => String(job.spec['workspace']);
const uriOf = (job: Job, settings: TaskSettings): string =>
  settings.workspaceNamespace.replaceAll('{}', () => workspaceOf(job));

/** GeoServer's workspace with its namespace. */
const createWorkspace: TaskDefinition = {
  type: 'create_workspace',
  target: 'geoserver',
  needs: [],
  applies: hasGeoServerPart,
  object: workspaceOf,
  inputs: uriOf,
  async run(job, { geoserver, settings, signal }) {
    return {
      output: await geoserver.ensureWorkspace({ name: workspaceOf(job), uri: uriOf(job, settings) }, signal),
    };
  },
};

export default [createWorkspace];
