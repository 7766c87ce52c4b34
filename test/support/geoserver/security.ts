import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog } from './catalog.js';
import { json, RestException, type Reply } from './replies.js';
import type { Router } from './router.js';

const FILE = 'security/layers.properties';
/** GeoServer looks after the file from time to time. */
const NOTICE_MS = 400;

/** Layer access rules as a file, and as they are in force a moment later. */
export function security(router: Router, catalog: Catalog): void {
  router.on('GET', '/rest/resource/*', ({ names: [path = ''] }) => {
    if (path === FILE)
      return { status: 200, type: 'application/octet-stream', body: Buffer.from(catalog.rulesFile) };
    throw new RestException(404, 'Undefined resource path.');
  });

  router.on('PUT', '/rest/resource/*', ({ names: [path = ''], body }): Reply => {
    if (path !== FILE) throw new RestException(404, 'Undefined resource path.');
    catalog.rulesFile = body.toString('utf8');
    const file = catalog.rulesFile;
    void delay(NOTICE_MS, undefined, { ref: false }).then(() => (catalog.rulesInForce = file));
    return { status: 201 };
  });

  router.on('GET', '/rest/security/acl/layers', () => {
    const rules = properties(catalog.rulesInForce).filter(([key]) => key !== 'mode');
    // Roles come back in an order of their own.
    const shown = rules.map(([key, roles]) => [
      key,
      roles
        .split(/[\s,]+/)
        .sort()
        .reverse()
        .join(','),
    ]);
    return json(Object.fromEntries(shown));
  });

  router.on('GET', '/rest/security/acl/catalog', () => {
    const mode = properties(catalog.rulesInForce).find(([key]) => key === 'mode');
    return json({ mode: mode?.[1] ?? 'HIDE' });
  });
}

function properties(file: string): readonly (readonly [string, string])[] {
  const lines = file.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [
      line.slice(0, line.indexOf('=')).replace(/\\(.)/g, '$1'),
      line.slice(line.indexOf('=') + 1),
    ]);
}
