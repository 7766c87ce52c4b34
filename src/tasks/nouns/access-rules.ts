import type { TaskDefinition } from '../task.js';

const updateAccessRules: TaskDefinition = {
  type: 'update_access_rules',
  target: 'geoserver',
  applies: (_job, settings) => !settings.skipGeoServer,
  object: () => 'layers.properties',
  async run(job, { geoserver, signal }) {
    return { output: await geoserver.putAccessRules(String(job.spec['text']), signal) };
  },
};

export default [updateAccessRules];
