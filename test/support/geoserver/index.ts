import { startGeoServer, type GeoServerStandIn } from './server.js';

export {
  startGeoServer,
  type Fault,
  type GeoServerOptions,
  type GeoServerStandIn,
  type Recorded,
} from './server.js';

/** A GeoServer for tests that only look from outside. */
export interface TestGeoServer {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** undefined when it is a real GeoServer. */
  readonly standIn: GeoServerStandIn | undefined;
  /** The parsed body of a GET below the URL, undefined for 404; throws for other errors. */
  getJson(path: string): Promise<unknown>;
  /** The body of any request: status and text. */
  request(method: string, path: string): Promise<{ readonly status: number; readonly body: string }>;
  close(): Promise<void>;
}

/** The real GeoServer of GEOSERVER_URL (GEOSERVER_USERNAME, GEOSERVER_PASSWORD), else a stand-in of its own. */
export async function geoserver(): Promise<TestGeoServer> {
  const { GEOSERVER_URL: url, GEOSERVER_USERNAME, GEOSERVER_PASSWORD } = process.env;
  if (url !== undefined && url !== '') {
    const username = GEOSERVER_USERNAME ?? 'admin';
    const password = GEOSERVER_PASSWORD ?? 'geoserver';
    return withRequests(url.replace(/\/+$/, ''), username, password, undefined, () => Promise.resolve());
  }
  return anotherGeoServer();
}

/** A stand-in of its own, whatever GEOSERVER_URL says: what a second slave publishes to. */
export async function anotherGeoServer(): Promise<TestGeoServer> {
  const standIn = await startGeoServer();
  return withRequests(standIn.url, standIn.username, standIn.password, standIn, () => standIn.close());
}

function withRequests(
  url: string,
  username: string,
  password: string,
  standIn: GeoServerStandIn | undefined,
  close: () => Promise<void>,
): TestGeoServer {
  const Authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const request = async (method: string, path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { Authorization, Accept: 'application/json' },
    });
    return { status: response.status, body: await response.text() };
  };
  const getJson = async (path: string): Promise<unknown> => {
    const { status, body } = await request('GET', path);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    return JSON.parse(body);
  };
  return { url, username, password, standIn, getJson, request, close };
}
