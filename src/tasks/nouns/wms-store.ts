import { isOwnMachine } from '../../jobs/addresses.js';
import type { Job } from '../../jobs/job.js';
import { AgentError } from '../../lib/errors.js';
import { Secret } from '../../lib/secret.js';
import { beforeRemovingStore, goneStoreToken, hasGeoServerPart, storeToken } from '../layer.js';
import type { TaskSettings } from '../settings.js';
import type { TaskDefinition } from '../task.js';
import { refuseOwnStore } from './data-store.js';

interface WmsStoreSpec {
  readonly workspace: string;
  readonly name: string;
  readonly capability_url: string;
  readonly username?: string | null;
  readonly password?: string | null;
  readonly geoserver_setting: Readonly<Record<string, unknown>>;
}

const storeOf = (job: Job): WmsStoreSpec => job.spec as unknown as WmsStoreSpec;
const storeNameOf = (job: Job): string => `${storeOf(job).workspace}:${storeOf(job).name}`;

const updateWmsStore: TaskDefinition = {
  type: 'update_wms_store',
  target: 'geoserver',
  applies: hasGeoServerPart,
  // Allowed no longer, it has to fail.
  inputs: (_job, settings) => settings.allowLoopbackWms,
  object: storeNameOf,
  settles: (job) => [storeToken(storeOf(job).workspace, storeOf(job).name)],
  needsSettled: (job) => [goneStoreToken(storeOf(job).workspace, storeOf(job).name)],
  async run(job, { geoserver, settings, signal }) {
    refuseOwnStore(job, settings);
    refuseOwnMachine(job, settings);
    const { workspace, name, capability_url, username, password, geoserver_setting: setting } = storeOf(job);
    const change = await geoserver.ensureWmsStore(
      {
        workspace,
        name,
        capabilitiesUrl: capability_url,
        ...(username ? { username } : {}),
        ...(password ? { password: new Secret(password) } : {}),
        maxConnections: positive(setting['max_connections'], 6),
        readTimeout: positive(setting['read_timeout'], 60),
        connectTimeout: positive(setting['connect_timeout'], 30),
      },
      signal,
    );
    return { output: change };
  },
};

/** Whoever writes task files would reach what trusts this machine: its databases' pages, GeoServer's own, a cloud's. */
function refuseOwnMachine(job: Job, settings: TaskSettings): void {
  const { capability_url: address } = storeOf(job);
  if (settings.allowLoopbackWms || !isOwnMachine(address)) return;
  throw new AgentError(
    'invalid-task-file',
    `${job.path}: capability_url: ${new URL(address).host} is this machine itself`,
    {
      retry: 'final',
      hint: 'ALLOW_LOOPBACK_WMS=true allows it, where a WMS of this machine is to be cascaded.',
    },
  );
}

const removeWmsStore: TaskDefinition = {
  type: 'remove_wms_store',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: storeNameOf,
  settles: (job) => [goneStoreToken(storeOf(job).workspace, storeOf(job).name)],
  waitsFor: (job) => beforeRemovingStore(job, storeOf(job).workspace, storeOf(job).name),
  async run(job, { geoserver, signal }) {
    const { workspace, name } = storeOf(job);
    return { output: await geoserver.removeWmsStore({ workspace, name }, signal) };
  },
};

function positive(value: unknown, fallback: number): number {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 ? number : fallback;
}

export default [updateWmsStore, removeWmsStore];
