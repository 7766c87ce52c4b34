import type { GeoServer } from '../../geoserver/client.js';
import { failure, oneLine, type Check, type Finding, type Surroundings } from '../check.js';
import { workspacesOf } from '../task-files.js';

/** The oldest version that the program is tested with. */
const TESTED = [2, 26] as const;
const GRID_SETS = ['gda94', 'mercator'];

/** Each GeoServer: credentials, version, grid sets, and what was left half made in it. */
export const geoservers: Check = {
  name: 'geoserver',
  run: async (surroundings) => {
    if (surroundings.config.skip.gs) return { name: 'geoserver', state: 'skipped', message: 'SKIP_GS is on' };
    const found = surroundings.geoservers.map((server) => look(server, surroundings));
    return (await Promise.all(found)).flat();
  },
};

async function look(
  server: GeoServer,
  { config, desired, publishedOn, signal }: Surroundings,
): Promise<Finding[]> {
  const name = `geoserver ${server.url}`;
  try {
    const version = await server.version(signal);
    const stores = workspacesOf(desired).map((workspace) => ({
      workspace,
      name: config.dataStoreName.replaceAll('{}', () => workspace),
    }));
    const [gridSets, defects] = await Promise.all([
      server.gridSetNames(signal),
      server.findDefects({ stores, published: publishedOn(server.url) }, signal),
    ]);
    if (defects.length > 0)
      return defects.map(({ what, hint }) => ({ name, state: 'failed', message: oneLine(what), hint }));
    const missing = GRID_SETS.filter((wanted) => !gridSets.includes(wanted));
    const made =
      missing.length === 0 ? '' : `; the first tile layer makes the grid sets ${missing.join(', ')}`;
    return [judgeVersion(name, version, `${version}${made}`)];
  } catch (error) {
    return [failure(name, error)];
  }
}

function judgeVersion(name: string, version: string, message: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > TESTED[0] || (major === TESTED[0] && minor >= TESTED[1])) return { name, state: 'ok', message };
  return {
    name,
    state: 'warning',
    message: `${message}: older than ${TESTED.join('.')}, the oldest that slave-sync is tested with`,
    hint: 'Upgrade GeoServer.',
  };
}
