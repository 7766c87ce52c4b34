import { buildXml } from '../../../src/geoserver/xml.js';

/** What a handler answers; a body that is text is sent as ISO-8859-1. */
export interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The first family of errors: status and message as plain text. Java exceptions become one with status 500. */
export class RestException extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The second family: a page of the servlet container, of which PUT and DELETE get nothing. */
export class SendError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** A status and nothing else. */
export class BareStatus extends Error {
  readonly status: number;

  constructor(status: number) {
    super(String(status));
    this.status = status;
  }
}

export function ok(): Reply {
  return { status: 200 };
}

export function json(value: unknown): Reply {
  return { status: 200, type: 'application/json', body: Buffer.from(JSON.stringify(value)) };
}

export function plain(status: number, body: string): Reply {
  return { status, type: 'text/plain', body: Buffer.from(body) };
}

/** The body is the bare name, as ISO-8859-1. */
export function created(name: string): Reply {
  return { status: 201, type: 'text/plain', body: name };
}

export function page(error: SendError, method: string, path: string, accept: string): Reply {
  const { status, headers } = error;
  if (method === 'PUT' || method === 'DELETE') return { status, headers };
  const message = error.message
    .replaceAll('&', '&amp;')
    .replaceAll("'", '&apos;')
    .replaceAll('"', '&quot;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
  if (accept.includes('application/json')) {
    const fields = { servlet: 'dispatcher', message, url: path, status: String(status) };
    const body = JSON.stringify(fields, undefined, 1).replace(/^ /gm, '').replaceAll('": "', '":"');
    return { status, headers, type: 'application/json', body };
  }
  const title = `Error ${status} ${error.message}`;
  const body = buildXml({ html: { head: { title }, body: { h2: `HTTP ERROR ${status} ${error.message}` } } });
  return { status, headers, type: 'text/html;charset=iso-8859-1', body };
}

/** XStream's JSON: an empty list is `""`, a list of one its element. */
export function collapse(items: readonly unknown[], key: string): unknown {
  if (items.length === 0) return '';
  return { [key]: items.length === 1 ? items[0] : items };
}

/** The lists of names keep their arrays, but for the empty one. */
export function nameList(outer: string, inner: string, names: Iterable<string>): Reply {
  const items = [...names].map((name) => ({ name }));
  return json({ [outer]: items.length === 0 ? '' : { [inner]: items } });
}
