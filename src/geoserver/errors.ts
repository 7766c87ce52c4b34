import { AgentError, type FailureReason, type RetryClass } from '../lib/errors.js';
import type { HttpResponse } from '../lib/http.js';

/** An answer of GeoServer that is no success, in its own words. */
export class GeoServerError extends AgentError {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string, message: string, kind: Classification) {
    super(kind.reason, message, {
      retry: kind.retry,
      ...(kind.hint === undefined ? {} : { hint: kind.hint }),
    });
    this.status = status;
    this.body = body;
  }

  says(pattern: RegExp): boolean {
    return pattern.test(this.body);
  }
}

interface Classification {
  readonly reason: FailureReason;
  readonly retry: RetryClass;
  readonly hint?: string;
}

/**
 * What GeoServer 2.26 says, and whether trying again can help. It answers 500 to much that the client did wrong, so
 * the text decides and not the status; the first pattern that fits wins.
 */
const KNOWN: readonly (readonly [RegExp, Classification])[] = [
  [/already exists/, { reason: 'conflict', retry: 'final' }],
  [
    /referenced by layer group/,
    { reason: 'conflict', retry: 'transient', hint: 'Take it out of the layer group first.' },
  ],
  [/could not find layer .* in the server capabil/i, { reason: 'missing-at-source', retry: 'remote' }],
  [/Server returned HTTP error code 40[13] for URL/, { reason: 'missing-at-source', retry: 'remote' }],
  [
    /Connect(ion)? (to|timed|refused|reset)|UnknownHost|Could not load (datastore|wms store)|timed out/i,
    { reason: 'connection', retry: 'transient' },
  ],
  [
    /Layer group is in a loop|can not contain resources from other workspace/,
    { reason: 'conflict', retry: 'final' },
  ],
  [
    /no attributes were specified|Schema '.*' does not exist/,
    {
      reason: 'not-published-yet',
      retry: 'transient',
      hint: 'GeoServer does not see the table or view behind this layer.',
    },
  ],
  [
    /layer srs seems to be mis-configured|Error while calculating native bounds/,
    { reason: 'invalid-task-file', retry: 'final', hint: 'Check the coordinate system (crs).' },
  ],
  [
    // The tables that the SQL reads may still come, so this is not final.
    /Error occurred building feature type/,
    {
      reason: 'invalid-task-file',
      retry: 'transient',
      hint: 'Check the SQL of the view; the reason is in the log of GeoServer.',
    },
  ],
  [/Invalid URI syntax|^Namespace with URI/, { reason: 'invalid-task-file', retry: 'final' }],
  [/SAXParseException|Parsing failed|is not a valid/, { reason: 'invalid-data', retry: 'final' }],
  [
    /^(No such|Workspace .* not found|Store must be part of a workspace|Could not find workspace|WMS store not set)/,
    { reason: 'not-published-yet', retry: 'transient' },
  ],
];

/** Turns an answer into the error that says it. `what` names the request, for instance `PUT layer ws:x`. */
export function errorOf(response: HttpResponse, what: string): GeoServerError {
  const body = bodyText(response);
  const words = messageIn(body);
  const message = `${what}: GeoServer answered ${response.status}${words === '' ? '' : `: ${words}`}`;
  return new GeoServerError(response.status, words, message, classify(response, words));
}

function classify(response: HttpResponse, words: string): Classification {
  // 401 and 403 are also what GeoServer answers for a store that is not empty; only the real one has the challenge.
  if (response.status === 401 && response.headers.has('www-authenticate'))
    return {
      reason: 'http-status',
      retry: 'transient',
      hint: 'Check GEOSERVER_USERNAME and GEOSERVER_PASSWORD.',
    };
  const known = KNOWN.find(([pattern]) => pattern.test(words));
  if (known !== undefined) return known[1];
  if (response.status === 403 && /denied|forbidden/i.test(words))
    return {
      reason: 'http-status',
      retry: 'transient',
      hint: 'The user in GEOSERVER_USERNAME needs the administrator role.',
    };
  return { reason: 'http-status', retry: 'transient' };
}

/** Answers are UTF-8 (JSON, XML) or ISO-8859-1 (names, messages), whatever the header says. */
export function bodyText(response: HttpResponse): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(response.body);
  } catch {
    return response.body.toString('latin1');
  }
}

/** The message inside the four kinds of error bodies: plain text, Jetty's JSON page, Jetty's HTML page, GeoWebCache's. */
function messageIn(body: string): string {
  const text = body.trim();
  const html = /<title>Error \d+ ?([\s\S]*?)<\/title>|<h4>\d+: ([\s\S]*?)<\/h4>/.exec(text);
  const json = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text.startsWith('{') ? text : '');
  const words = unescapeEntities(html?.[1] ?? html?.[2] ?? json?.[1] ?? text);
  const first = words.startsWith('---- Debugging') ? (words.split('\n')[1] ?? words) : words;
  return first.length > 500 ? `${first.slice(0, 500)}…` : first;
}

const ENTITIES: Readonly<Record<string, string>> = { apos: "'", quot: '"', lt: '<', gt: '>', amp: '&' };

function unescapeEntities(text: string): string {
  return text.replace(/&(apos|quot|lt|gt|amp);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
