import { dirname, join } from 'node:path';
import type { Config } from '../config.js';
import type { FilterName } from '../jobs/kind.js';
import { digest } from '../lib/hash.js';
import type { SlaveFilter } from '../tasks/judge.js';
import type { TaskSettings } from '../tasks/settings.js';

export function filtersOf(config: Config): Record<FilterName, SlaveFilter> {
  const of = (name: FilterName): SlaveFilter => ({
    variable: config.filters[name].variable,
    accepts: (job) => config.filters[name].filter.accepts(job),
  });
  return { feature: of('feature'), wms: of('wms'), layergroup: of('layergroup') };
}

/** The part of the configuration that tasks use. */
export function taskSettings(config: Config, salt: string): TaskSettings {
  return {
    slaveName: config.slaveName,
    skipDatabase: config.skip.db,
    skipGeoServer: config.skip.gs,
    workspaceNamespace: config.workspaceNamespace,
    dataStoreName: config.dataStoreName,
    defaultCrs: config.defaultCrs,
    store: {
      ...config.database,
      digest: digest([salt, { ...config.database, password: config.database.password.reveal() }]),
    },
    auth: { databases: config.authDatabases, user: config.authUser, password: config.authPassword },
    allowLoopbackWms: config.allowLoopbackWms,
    sharePreviewData: config.sharePreviewData,
    previewPath: join(dirname(config.cachePath), 'previews'),
    cdn: config.cdn,
  };
}

/**
 * What decides which task files this slave takes and where they go: with another digest all of them are judged again.
 * Salted, since it covers passwords.
 */
export function settingsDigest(config: Config, salt: string): string {
  return digest([
    salt,
    config.skip,
    config.filters.feature.source,
    config.filters.wms.source,
    config.filters.layergroup.source,
    config.geoservers.map((server) => server.url),
    config.geoserverSharingDataDir,
    config.workspaceNamespace,
    config.dataStoreName,
    config.defaultCrs,
    { ...config.database, password: config.database.password.reveal() },
    config.authDatabases,
    config.allowLoopbackWms,
    config.syncServer ?? null,
  ]);
}
