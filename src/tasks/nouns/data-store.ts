import type { Job } from '../../jobs/job.js';
import { AgentError } from '../../lib/errors.js';
import { Secret } from '../../lib/secret.js';
import { beforeRemovingStore, goneStoreToken, hasGeoServerPart, storeToken } from '../layer.js';
import type { TaskSettings } from '../settings.js';
import { connectionParameters, overridesIn } from '../store-parameters.js';
import type { TaskDefinition } from '../task.js';

const workspaceOf = (job: Job): string => String(job.spec['workspace']);
const nameOf = (job: Job): string => String(job.spec['name']);

/** The PostGIS store through which GeoServer reads the slave's own database. */
const createDataStore: TaskDefinition = {
  type: 'create_data_store',
  target: 'geoserver',
  needs: ['create_workspace'],
  applies: hasGeoServerPart,
  object: (job) => workspaceOf(job),
  inputs: (job, settings) => [storeName(job, settings), ownParameters(job, settings), settings.store.digest],
  async run(job, { geoserver, settings, signal }) {
    const change = await geoserver.ensurePostgisStore(
      {
        workspace: workspaceOf(job),
        name: storeName(job, settings),
        parameters: ownParameters(job, settings),
        password: settings.store.password,
      },
      signal,
    );
    return { output: change };
  },
};

/** A store of the task file's own, on any PostgreSQL. */
const updateLiveStore: TaskDefinition = {
  type: 'update_live_store',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: (job) => `${workspaceOf(job)}:${nameOf(job)}`,
  // What the job does not say itself comes from the settings.
  inputs: (job, settings) => [liveParameters(job, settings).parameters, settings.store.digest],
  settles: (job) => [storeToken(workspaceOf(job), nameOf(job))],
  needsSettled: (job) => [goneStoreToken(workspaceOf(job), nameOf(job))],
  async run(job, { geoserver, settings, signal }) {
    refuseOwnStore(job, settings);
    const { password, parameters } = liveParameters(job, settings);
    if (password === undefined) throw withoutPassword(parameters);
    const change = await geoserver.ensurePostgisStore(
      { workspace: workspaceOf(job), name: nameOf(job), parameters, password },
      signal,
    );
    return { output: change };
  },
};

const removeLiveStore: TaskDefinition = {
  type: 'remove_live_store',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: (job) => `${workspaceOf(job)}:${nameOf(job)}`,
  settles: (job) => [goneStoreToken(workspaceOf(job), nameOf(job))],
  waitsFor: (job) => beforeRemovingStore(job, workspaceOf(job), nameOf(job)),
  async run(job, { geoserver, settings, signal }) {
    if (isOwnStore(job, settings)) return undefined;
    return {
      output: await geoserver.removeDataStore({ workspace: workspaceOf(job), name: nameOf(job) }, signal),
    };
  },
};

/** The name of the store that holds a workspace's features. */
export function storeName(job: Job, settings: TaskSettings): string {
  return settings.dataStoreName.replaceAll('{}', () => workspaceOf(job));
}

/** Whether a store that a task file names is the one through which the workspace's features are read. */
function isOwnStore(job: Job, settings: TaskSettings): boolean {
  return nameOf(job) === storeName(job, settings);
}

/** A store of this name would take the features' connection away: final AgentError 'conflict'. */
export function refuseOwnStore(job: Job, settings: TaskSettings): void {
  if (!isOwnStore(job, settings)) return;
  throw new AgentError('conflict', `the store ${workspaceOf(job)}:${nameOf(job)} belongs to the features`, {
    retry: 'final',
    hint: 'Give it another name on the master.',
  });
}

function ownParameters(job: Job, settings: TaskSettings): Record<string, string> {
  const { schema } = job.spec;
  return connectionParameters(
    { ...settings.store, ...(typeof schema === 'string' ? { schema } : {}) },
    settings.workspaceNamespace.replaceAll('{}', () => workspaceOf(job)),
  );
}

/**
 * The defaults, each overridden by the job's key of its name, then by `geoserver_setting`; the workspace's URI stays. Our own
 * password goes to our own server only: whoever can write a task file could have it sent to one of theirs.
 */
function liveParameters(job: Job, settings: TaskSettings) {
  const namespace = settings.workspaceNamespace.replaceAll('{}', () => workspaceOf(job));
  const defaults = connectionParameters(settings.store, namespace);
  const { passwd, ...overrides } = overridesIn(job.spec, defaults);
  const parameters: Record<string, string> = { ...defaults, ...overrides, namespace };
  const isElsewhere = ['host', 'port'].some((key) => parameters[key] !== defaults[key]);
  const own = isElsewhere ? undefined : settings.store.password;
  return { parameters, password: passwd === undefined ? own : new Secret(passwd.replace(/^plain:/, '')) };
}

function withoutPassword({ host, port }: Readonly<Record<string, string>>): AgentError {
  return new AgentError(
    'invalid-task-file',
    `the store is on another server, ${host}:${port}, and has no passwd`,
    {
      retry: 'final',
      hint: "This slave's own password is for its own database server only: add passwd on the master.",
    },
  );
}

export default [createDataStore, updateLiveStore, removeLiveStore];
