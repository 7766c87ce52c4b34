import { AgentError } from '../../lib/errors.js';
import type { HttpClient } from '../../lib/http.js';
import { layerName } from '../layer.js';
import type { CdnSettings } from '../settings.js';
import type { TaskDefinition } from '../task.js';
import { groupsHolding } from './tile-layer.js';

/**
 * Drops what the content delivery network holds of a layer and of every group that shows it, after every server shows the
 * new state. The groups' own jobs may have done so before this layer's tiles were emptied, and the network have fetched
 * old ones since.
 */
const purgeCdn: TaskDefinition = {
  type: 'purge_cdn',
  target: 'cdn',
  applies: (_job, settings) => settings.cdn !== undefined,
  object: layerName,
  async run(job, { settings, http, publications, signal }) {
    const { cdn } = settings;
    if (cdn === undefined) return undefined;
    const shown = [layerName(job), ...groupsHolding(layerName(job), publications())];
    const keys = [...new Set(shown.flatMap((layer) => keysOf(layer, cdn)))];
    for (const key of keys) await purge(cdn, key, http, signal);
    return { output: keys };
  },
};

/** The surrogate keys of `workspace:name`: no workspace has a colon. */
function keysOf(layer: string, { surrogateKeys }: CdnSettings): string[] {
  const separator = layer.indexOf(':');
  const [workspace, name] = [layer.slice(0, separator), layer.slice(separator + 1)];
  return surrogateKeys.map((template) => format(template, [workspace, name], { workspace, name }));
}

/** One surrogate key: https://www.fastly.com/documentation/reference/api/purging/ */
async function purge(cdn: CdnSettings, key: string, http: HttpClient, signal: AbortSignal): Promise<void> {
  const url = format(
    format(cdn.purgeUrl, [cdn.serviceId], {}),
    [encodeURIComponent(key).replaceAll('%3A', ':')],
    {},
  );
  const headers = {
    'Fastly-Key': cdn.token.reveal(),
    Accept: 'application/json',
    'Fastly-Soft-Purge': cdn.softPurge ? '1' : '0',
  };
  const { status, body } = await http.request({ method: 'POST', url, headers, signal });
  if (status >= 200 && status < 300) return;
  throw new AgentError(
    'http-status',
    `the CDN answered ${status} to the purge of ${key}: ${body.toString('utf8').slice(0, 300)}`,
    {
      retry: 'transient',
      ...(status === 401 || status === 403 ? { hint: 'Check FASTLY_API_TOKEN and FASTLY_SERVICEID.' } : {}),
    },
  );
}

/** Python's str.format as far as operators' templates use it: {}, {0}, {name}, and doubled braces for single ones. */
export function format(
  template: string,
  positional: readonly string[],
  named: Readonly<Record<string, string>>,
): string {
  let next = 0;
  return template.replace(/\{\{|\}\}|\{(\w*)\}/g, (match, field: string | undefined) => {
    if (match === '{{') return '{';
    if (match === '}}') return '}';
    if (field === undefined || field === '') return positional[next++] ?? match;
    return (/^\d+$/.test(field) ? positional[Number(field)] : named[field]) ?? match;
  });
}

export default [purgeCdn];
