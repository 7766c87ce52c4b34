import { Secret } from '../lib/secret.js';
import { checkGeoServerUrl, normaliseUrl } from './checks.js';
import { splitList, type Reader } from './reader.js';
import type { VariableName } from './variables.js';

export interface GeoServerSetting {
  /** Normalised, without a slash at the end; what the server is known by in the record. */
  readonly url: string;
  readonly username: string;
  readonly password: Secret;
  readonly dataDir: string;
}

/** The GeoServers: as many as GEOSERVER_URL has items, the other lists with as many items or one for all. */
export function readGeoServers(reader: Reader): readonly GeoServerSetting[] {
  const urls = reader.list('GEOSERVER_URL', checkGeoServerUrl).map(normaliseUrl);
  if (new Set(urls).size < urls.length) reader.problem('GEOSERVER_URL', 'names one GeoServer twice');
  const usernames = forEach(reader, 'GEOSERVER_USERNAME', reader.list('GEOSERVER_USERNAME'), urls.length);
  const dataDirs = forEach(reader, 'GEOSERVER_DATA_DIR', reader.list('GEOSERVER_DATA_DIR'), urls.length);
  const password = reader.secret('GEOSERVER_PASSWORD')?.reveal().trim() ?? '';
  const passwords = forEach(
    reader,
    'GEOSERVER_PASSWORD',
    urls.length > 1 ? splitList(password) : [password],
    urls.length,
  );
  return urls.map((url, index) => ({
    url,
    username: usernames[index] ?? '',
    password: new Secret(passwords[index] ?? ''),
    dataDir: dataDirs[index] ?? '',
  }));
}

function forEach(
  reader: Reader,
  name: VariableName,
  items: readonly string[],
  servers: number,
): readonly string[] {
  if (items.length === servers || servers === 0) return items;
  if (items.length === 1) return Array.from({ length: servers }, () => items[0] ?? '');
  reader.problem(name, `has ${items.length} items for ${servers} GeoServers: one for each, or one for all`);
  return items;
}
