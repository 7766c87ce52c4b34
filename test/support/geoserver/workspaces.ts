import { text } from '../../../src/geoserver/json.js';
import type { Catalog } from './catalog.js';
import { created, json, nameList, ok, RestException, SendError } from './replies.js';
import { bodyOf, type Router } from './router.js';

/** Workspaces and namespaces are two sides of one thing. */
export function workspaces(router: Router, catalog: Catalog): void {
  router.on('GET', '/rest/workspaces', () => nameList('workspaces', 'workspace', catalog.workspaces.keys()));

  router.on('GET', '/rest/workspaces/:ws', ({ names: [given = ''] }) => {
    const ws = given === 'default' ? (catalog.defaultWorkspace ?? given) : given;
    catalog.workspace(ws, `No such workspace: '${ws}' found`);
    return json({ workspace: { name: ws, isolated: false } });
  });

  router.on('DELETE', '/rest/workspaces/:ws', ({ names: [ws = ''], query }) => {
    const workspace = catalog.workspace(ws, '');
    if (query.get('recurse') !== 'true' && workspace.stores.size + workspace.styles.size > 0)
      throw new SendError(403, 'Workspace not empty');
    catalog.removeWorkspace(ws);
    return ok();
  });

  router.on('GET', '/rest/namespaces/:ws', ({ names: [ws = ''] }) => {
    const { uri } = catalog.workspace(ws, `No such namespace: '${ws}' found`);
    return json({ namespace: { prefix: ws, uri, isolated: false } });
  });

  router.on('POST', '/rest/namespaces', (call) => {
    const given = bodyOf(call, 'namespace');
    const prefix = text(given['prefix']);
    const uri = uriOf(given['uri'], prefix);
    if (catalog.workspaces.has(prefix))
      throw new RestException(500, `Namespace with prefix '${prefix}' already exists.`);
    if ([...catalog.workspaces.values()].some((other) => other.uri === uri))
      throw new RestException(500, `Namespace with URI '${uri}' already exists.`);
    catalog.addWorkspace(prefix, uri);
    return created(prefix);
  });

  router.on('DELETE', '/rest/namespaces/:ws', ({ names: [ws = ''] }) => {
    const workspace = catalog.workspace(ws, '');
    if (workspace.stores.size + workspace.styles.size > 0) throw new SendError(401, 'Namespace not empty');
    catalog.removeWorkspace(ws);
    return ok();
  });

  router.on('PUT', '/rest/namespaces/:ws', (call) => {
    const [ws = ''] = call.names;
    const workspace = catalog.workspace(ws, '');
    workspace.uri = uriOf(bodyOf(call, 'namespace')['uri'], ws);
    return ok();
  });
}

function uriOf(value: unknown, prefix: string): string {
  if (value === undefined)
    throw new RestException(500, 'Cannot invoke "Object.hashCode()" because "key" is null');
  const uri = text(value);
  if (/\s/.test(uri))
    throw new RestException(500, `Invalid URI syntax for '${uri}' in namespace '${prefix}'`);
  return uri;
}
