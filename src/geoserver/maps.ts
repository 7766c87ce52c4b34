import { PNG } from 'pngjs';
import { AgentError } from '../lib/errors.js';
import { isProper, withArea, type Box } from './boxes.js';
import { bodyText, errorOf, GeoServerError } from './errors.js';
import { at, list, text } from './json.js';
import { qualify, type Qualified } from './names.js';
import { parseJson, type Rest } from './rest.js';
import { find, parseXml } from './xml.js';

export interface MapRequest extends Qualified {
  /** In `srs`; a box without area is widened. */
  readonly box: Box;
  readonly srs: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface MapImage {
  readonly png: Buffer;
  /** The whole image has one colour: most likely nothing was drawn. */
  readonly oneColour: boolean;
}

/**
 * Draws one layer or group in its default style. GeoServer tells errors of WMS with status 200: they become
 * GeoServerError, with its words.
 */
export async function getMap(rest: Rest, map: MapRequest, signal: AbortSignal): Promise<MapImage> {
  if (!isProper(map.box) || map.width < 1 || map.height < 1)
    throw new AgentError('invalid-data', `no map can be drawn of ${qualify(map)}: its box is empty`, {
      retry: 'final',
    });
  const { minx, miny, maxx, maxy } = withArea(map.box);
  const query = new URLSearchParams({
    service: 'wms',
    version: '1.1.0',
    request: 'GetMap',
    srs: map.srs,
    format: 'image/png',
    bbox: [minx, miny, maxx, maxy].join(','),
    layers: qualify(map),
    styles: '',
    width: String(map.width),
    height: String(map.height),
    exceptions: 'application/json',
  });
  const what = `map of ${qualify(map)}`;
  const response = await rest.getAny(`/ows?${query.toString()}`, signal, 'image/png');
  if (response.status !== 200) throw errorOf(response, what);
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('image/png')) throw exceptionOf(what, type, response.body, bodyText(response));
  return { png: response.body, oneColour: hasOneColour(response.body, what) };
}

export interface FetchedImage {
  readonly bytes: Buffer;
  /** Its MIME type, for instance `image/png`. */
  readonly type: string;
}

/** The picture at an address below the server's URL; undefined when the answer is none, an error among them. */
export async function fetchImage(
  rest: Rest,
  address: string,
  signal: AbortSignal,
): Promise<FetchedImage | undefined> {
  const response = await rest.getAny(address, signal, 'image/*');
  const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
  if (response.status !== 200 || !type.startsWith('image/')) return undefined;
  return { bytes: response.body, type };
}

function exceptionOf(what: string, type: string, body: Buffer, plain: string): GeoServerError {
  const { code, words } = type.includes('json') ? fromJson(body) : fromXml(plain);
  return new GeoServerError(200, words, `${what}: ${words}`, {
    reason: code === 'LayerNotDefined' ? 'not-published-yet' : 'http-status',
    retry: 'transient',
  });
}

function fromJson(body: Buffer): { code: string; words: string } {
  const first = list(at(parseJson(body, '/ows'), 'exceptions'))[0];
  return { code: text(at(first, 'code')), words: text(at(first, 'text')).trim() };
}

/** The report of servers that do not know the JSON form; or whatever else it is, as it came. */
function fromXml(plain: string): { code: string; words: string } {
  try {
    const exception = find(parseXml(plain), 'ServiceException');
    if (exception !== undefined)
      return { code: exception.attributes.get('code') ?? '', words: exception.text.trim() };
  } catch {
    // No XML: a page of a proxy, for instance.
  }
  return { code: '', words: plain.slice(0, 500) };
}

function hasOneColour(png: Buffer, what: string): boolean {
  let pixels: Buffer;
  try {
    pixels = PNG.sync.read(png).data;
  } catch (error) {
    throw new AgentError('invalid-data', `${what}: the image is damaged`, {
      retry: 'transient',
      cause: error,
    });
  }
  const first = pixels.subarray(0, 4);
  for (let offset = 4; offset < pixels.length; offset += 4)
    if (pixels.compare(first, 0, 4, offset, offset + 4) !== 0) return false;
  return true;
}
