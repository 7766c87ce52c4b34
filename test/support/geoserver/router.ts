import { record, type Json } from '../../../src/geoserver/json.js';
import { BareStatus, RestException, type Reply } from './replies.js';

export interface Call {
  readonly method: string;
  /** The values of the `:name` segments, decoded; the last one without its extension. */
  readonly names: readonly string[];
  /** What was cut off the last segment, without the dot. */
  readonly extension: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;

interface Route {
  readonly method: string;
  readonly segments: readonly string[];
  readonly handler: Handler;
  readonly keepsExtension: boolean;
}

export class Router {
  readonly #routes: Route[] = [];

  /** `pattern` is like `/rest/workspaces/:ws/styles`; a `*` at its end takes the rest as one name. */
  on(
    method: string,
    pattern: string,
    handler: Handler,
    options: { readonly keepsExtension?: boolean } = {},
  ): void {
    const segments = pattern.split('/').slice(1);
    this.#routes.push({ method, segments, handler, keepsExtension: options.keepsExtension === true });
  }

  find(
    method: string,
    path: string,
  ): { handler: Handler; names: readonly string[]; extension: string } | undefined {
    const segments = path.split('/').slice(1).map(decodeURIComponent);
    for (const route of this.#routes) {
      if (route.method !== method) continue;
      const found = match(route, segments);
      if (found !== undefined) return { handler: route.handler, ...found };
    }
    return undefined;
  }
}

function match(
  route: Route,
  segments: readonly string[],
): { names: readonly string[]; extension: string } | undefined {
  if (route.segments.at(-1) === '*') {
    const head = route.segments.slice(0, -1);
    if (!head.every((segment, index) => segment === segments[index])) return undefined;
    return { names: [segments.slice(head.length).join('/')], extension: '' };
  }
  if (route.segments.length !== segments.length) return undefined;
  const last = segments.at(-1) ?? '';
  const dot = route.keepsExtension ? -1 : last.lastIndexOf('.');
  const stripped = dot < 0 ? segments : [...segments.slice(0, -1), last.slice(0, dot)];
  const names: string[] = [];
  for (const [index, segment] of route.segments.entries()) {
    const actual = stripped[index] ?? '';
    if (segment.startsWith(':')) names.push(actual);
    else if (segment !== actual) return undefined;
  }
  return { names, extension: dot < 0 ? '' : last.slice(dot + 1) };
}

/** The object inside a JSON body, or the error that GeoServer makes of anything else. */
export function bodyOf(call: Call, root: string): Json {
  const type = call.headers['content-type'] ?? '';
  if (!/^(application|text)\/json/.test(type)) throw new BareStatus(415);
  const text = call.body.toString('utf8');
  if (text === '') throw new RestException(400, '');
  let parsed: Json;
  try {
    parsed = record(JSON.parse(text));
  } catch {
    throw new RestException(500, '');
  }
  const [key] = Object.keys(parsed);
  if (key === root) return record(parsed[root]);
  throw new RestException(500, key ?? '');
}
