import { at, list, text, type Json } from '../../../src/geoserver/json.js';
import { fromJson, toJson, union } from '../../../src/geoserver/boxes.js';
import { merge, without, type Catalog, type Group, type Member } from './catalog.js';
import { collapse, created, json, nameList, ok, RestException, SendError } from './replies.js';
import { bodyOf, type Router } from './router.js';

const GROUPS = '/rest/workspaces/:ws/layergroups';
const NO_LAYERS = 'Cannot invoke "java.util.List.size()" because "layers" is null';
const NO_GROUP = 'Cannot invoke "org.geoserver.catalog.LayerGroupInfo.getName()" because "original" is null';

export function layerGroups(router: Router, catalog: Catalog): void {
  router.on('GET', GROUPS, ({ names: [ws = ''] }) => {
    const { groups } = catalog.workspace(ws, `Workspace ${ws} not found`);
    if ([...groups.values()].some((group) => lacksGroup(catalog, group)))
      throw new RestException(500, NO_LAYERS);
    return nameList('layerGroups', 'layerGroup', groups.keys());
  });

  router.on('POST', GROUPS, (call) => {
    const [ws = ''] = call.names;
    const { groups } = catalog.workspace(ws, `Workspace ${ws} not found`);
    const given = bodyOf(call, 'layerGroup');
    const name = text(given['name']);
    if (groups.has(name))
      throw new RestException(500, `Layer group named '${name}' already exists in workspace ${ws}`);
    const members = membersOf(catalog, ws, given);
    if (members.length === 0) throw new SendError(400, 'layer group must not be empty');
    const styles = stylesOf(given);
    if (styles === undefined && members.some((member) => !catalog.hasMember(member)))
      throw new RestException(500, 'Cannot invoke "java.util.List.get(int)" because "styles" is null');
    const kept = sanitized(catalog, members, styles ?? members.map(() => ''));
    refuseForeign(ws, kept.members);
    groups.set(name, {
      fields: { ...own(given), bounds: given['bounds'] ?? unionOf(catalog, kept.members) },
      ...kept,
    });
    catalog.addTileLayer(`${ws}:${name}`);
    return created(name);
  });

  router.on('GET', `${GROUPS}/:group`, ({ names: [ws = '', name = ''] }) => {
    const group = catalog.group(`${ws}:${name}`);
    if (group === undefined) throw new RestException(404, `No such layer group ${name} in workspace ${ws}`);
    if (lacksGroup(catalog, group)) throw new RestException(500, NO_LAYERS);
    const published = group.members.map((member) => ({ '@type': member.type, name: member.name }));
    const styles = group.styles === undefined ? {} : { styles: collapse(group.styles, 'style') };
    const publishables = collapse(published, 'published');
    return json({ layerGroup: { ...group.fields, workspace: { name: ws }, publishables, ...styles } });
  });

  router.on('PUT', `${GROUPS}/:group`, (call) => {
    const [ws = '', name = ''] = call.names;
    const group = catalog.group(`${ws}:${name}`);
    if (group === undefined) throw new RestException(500, NO_GROUP);
    change(catalog, ws, name, group, bodyOf(call, 'layerGroup'));
    return ok();
  });

  router.on('DELETE', `${GROUPS}/:group`, ({ names: [ws = '', name = ''] }) => {
    const workspace = catalog.workspaces.get(ws);
    if (workspace?.groups.has(name) !== true)
      throw new RestException(
        500,
        'Cannot invoke "org.geoserver.catalog.LayerGroupInfo.getWorkspace()" because "lg" is null',
      );
    const outer = catalog.groupWith({ type: 'layerGroup', name: `${ws}:${name}` });
    if (outer !== undefined)
      throw new RestException(500, `Unable to delete layer group referenced by layer group '${outer}'`);
    workspace.groups.delete(name);
    catalog.dropTiles(`${ws}:${name}`);
    return ok();
  });
}

/** An inner group that was left out when GeoServer started: the outer one and the list cannot be read any more. */
function lacksGroup(catalog: Catalog, group: Group): boolean {
  return group.members.some((member) => member.type === 'layerGroup' && !catalog.hasMember(member));
}

/** Bounds are never computed. */
function change(catalog: Catalog, ws: string, name: string, group: Group, given: Json): void {
  const styles = stylesOf(given);
  if (styles !== undefined && styles.length > 0 && group.styles === undefined)
    throw new RestException(500, 'java.util.ConcurrentModificationException');
  const wanted = given['publishables'] === undefined ? group.members : membersOf(catalog, ws, given);
  const kept = sanitized(catalog, wanted, styles ?? group.styles ?? []);
  refuseForeign(ws, kept.members);
  if (kept.members.some((member) => leadsTo(catalog, member, { type: 'layerGroup', name: `${ws}:${name}` })))
    throw new RestException(500, `Layer group is in a loop: /${name}`);
  group.members = kept.members;
  group.styles = kept.styles.length === 0 ? undefined : kept.styles;
  merge(group.fields, own(given));
}

/**
 * Members that do not exist are dropped without a word, each with the style in its place: an exception where there is no
 * such place.
 */
function sanitized(
  catalog: Catalog,
  wanted: readonly Member[],
  given: readonly string[],
): { members: readonly Member[]; styles: readonly string[] } {
  const members = [...wanted];
  const styles = [...given];
  for (let index = 0; index < members.length;) {
    const member = members[index];
    if (member !== undefined && catalog.hasMember(member)) index += 1;
    else if (index >= styles.length)
      throw new RestException(500, `Index ${index} out of bounds for length ${styles.length}`);
    else for (const list of [members, styles]) list.splice(index, 1);
  }
  if (members.length === 0) throw new RestException(500, 'Layer group must not be empty');
  if (styles.length > 0 && styles.length !== members.length)
    throw new RestException(500, 'Layer group has different number of styles than layers');
  return { members, styles };
}

function leadsTo(catalog: Catalog, from: Member, target: Member): boolean {
  if (from.type === target.type && from.name === target.name) return true;
  const group = from.type === 'layerGroup' ? catalog.group(from.name) : undefined;
  return group?.members.some((member) => leadsTo(catalog, member, target)) === true;
}

function refuseForeign(ws: string, members: readonly Member[]): void {
  const foreign = members.map((member) => member.name.split(':')[0]).find((workspace) => workspace !== ws);
  if (foreign !== undefined)
    throw new RestException(
      500,
      `Layer group within a workspace (${ws}) can not contain resources from other workspace: ${foreign}`,
    );
}

/** A name without workspace is looked for in the default one, that of a layer then in all others. */
function membersOf(catalog: Catalog, ws: string, given: Json): readonly Member[] {
  const [main, ...others] = catalog.workspacesByDefault();
  return list(at(given, 'publishables', 'published')).map((item) => {
    const type = at(item, '@type') === 'layerGroup' ? 'layerGroup' : 'layer';
    const name = text(at(item, 'name'));
    if (name.includes(':')) return { type, name };
    const places = [main ?? ws, ...(type === 'layer' ? others : [])];
    const owner = places.find((one) => catalog.hasMember({ type, name: `${one}:${name}` }));
    return { type, name: `${owner ?? main ?? ws}:${name}` };
  });
}

function stylesOf(given: Json): readonly string[] | undefined {
  if (given['styles'] === undefined) return undefined;
  const style = at(given['styles'], 'style');
  return (Array.isArray(style) ? (style as readonly unknown[]) : [style]).map(text);
}

function own(given: Json): Json {
  return without(given, 'publishables', 'styles', 'workspace');
}

function unionOf(catalog: Catalog, members: readonly Member[]): object {
  const boxes = members.map((member) =>
    fromJson(
      member.type === 'layer'
        ? catalog.layer(member.name)?.fields['latLonBoundingBox']
        : catalog.group(member.name)?.fields['bounds'],
    ),
  );
  const box = union(boxes.filter((one) => one !== undefined)) ?? { minx: 0, miny: 0, maxx: 0, maxy: 0 };
  return toJson(box, 'EPSG:4326');
}
