import { AgentError } from '../lib/errors.js';
import { at, list, text } from './json.js';
import type { Rest } from './rest.js';

/** The version, for instance `2.26.2`. Needs credentials, so it checks them too; waits for no lock of the server. */
export async function version(rest: Rest, signal: AbortSignal): Promise<string> {
  const about = await rest.getJson('/rest/about/version.json', signal);
  const resource = list(at(about, 'about', 'resource')).find((item) => at(item, '@name') === 'GeoServer');
  const found = text(at(resource, 'Version'));
  if (found !== '') return found;
  throw new AgentError('http-status', `${rest.url} is no GeoServer`, {
    retry: 'transient',
    hint: 'Check GEOSERVER_URL.',
  });
}

/** Drops everything that is in memory and reads the data directory again. */
export function reload(rest: Rest, signal: AbortSignal): Promise<void> {
  return rest.write({ method: 'POST', path: '/rest/reload' }, signal);
}
