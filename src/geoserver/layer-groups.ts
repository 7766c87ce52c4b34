import { AgentError } from '../lib/errors.js';
import { fromJson, LAT_LON, sameBox, toJson, union, type Box } from './boxes.js';
import { converge, type Change } from './change.js';
import { at, list, sameList, text, type Json } from './json.js';
import { layerBox, type LayerKind } from './layers.js';
import { path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';

export interface GroupMember extends Qualified {
  readonly type: 'layer' | 'layerGroup';
  /** Of a layer: what it most likely is. */
  readonly kind?: LayerKind;
}

export interface LayerGroup extends Qualified {
  readonly title: string;
  readonly abstract: string;
  /** From bottom to top, at least one, all of the group's workspace. */
  readonly members: readonly GroupMember[];
  /**
   * A member's box may have changed. The group's bounds are the union of those of its members, but that is computed only
   * with this, or when the group is written for another reason.
   */
  readonly recomputeBounds?: boolean;
  /** The caller knows of no such group: it is created without looking first, which saves a request. */
  readonly likelyNew?: boolean;
}

/**
 * Makes the group, or changes and resizes it in place; all its members are drawn in their default style. Members that
 * do not exist are refused before anything is written, as AgentError('not-published-yet', transient): GeoServer would
 * leave them out without a word.
 */
export function ensureLayerGroup(rest: Rest, wanted: LayerGroup, signal: AbortSignal): Promise<Change> {
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = likelyNew ? undefined : await read(rest, wanted, signal);
      likelyNew = false;
      const isDue = current !== undefined && wanted.recomputeBounds === true;
      const known = isDue ? await boundsOfMembers(rest, wanted, signal) : undefined;
      rest.boxes.delete(qualify(wanted));
      if (current !== undefined && isSame(current, wanted, known)) {
        rest.boxes.set(qualify(wanted), fromJson(at(current, 'bounds')));
        return 'unchanged';
      }
      const body = bodyOf(wanted, known ?? (await boundsOfMembers(rest, wanted, signal)));
      if (current !== undefined) {
        await put(rest, wanted, current, body, signal);
        return 'updated';
      }
      await refuseLayerOfThatName(rest, wanted, signal);
      const parent = path`/rest/workspaces/${wanted.workspace}/layergroups`;
      await rest.write({ method: 'POST', path: parent, json: { layerGroup: body } }, signal);
      await checkTaken(rest, wanted, body, signal);
      return 'created';
    }, signal),
  );
}

/** Removes the group with its tiles, not its members. A member of another group is refused: 'conflict'. */
export function removeLayerGroup(rest: Rest, name: Qualified, signal: AbortSignal): Promise<Change> {
  rest.boxes.delete(qualify(name));
  return rest.alone(name, () =>
    converge(async () => {
      // Deleting a missing group is a NullPointerException.
      if ((await read(rest, name, signal)) === undefined) return 'unchanged';
      return (await rest.delete(groupPath(name), signal)) ? 'removed' : 'unchanged';
    }, signal),
  );
}

/**
 * Takes a layer or group out of all groups of its workspace, which are changed in place; a group that it was the only member of
 * is removed, since GeoServer keeps no empty one.
 */
export async function releaseFromGroups(rest: Rest, member: Qualified, signal: AbortSignal): Promise<void> {
  const address = path`/rest/workspaces/${member.workspace}/layergroups.json`;
  const names = list(
    at(await rest.getJson(`${address}?quietOnNotFound=true`, signal), 'layerGroups', 'layerGroup'),
  );
  for (const name of names.map((group) => text(at(group, 'name')))) {
    const group = { workspace: member.workspace, name };
    await rest.alone(group, () => converge(() => releaseFrom(rest, group, member, signal), signal));
  }
}

async function releaseFrom(
  rest: Rest,
  group: Qualified,
  member: Qualified,
  signal: AbortSignal,
): Promise<Change> {
  const current = await read(rest, group, signal);
  const before = membersOf(current);
  const members = before.filter((other) => qualify(other) !== qualify(member));
  if (members.length === before.length) return 'unchanged';
  rest.boxes.delete(qualify(group));
  if (members.length === 0) return (await rest.delete(groupPath(group), signal)) ? 'removed' : 'unchanged';
  const [title, abstract] = [text(at(current, 'title')), text(at(current, 'abstractTxt'))];
  await put(rest, group, current, bodyOf({ ...group, title, abstract, members }, undefined), signal);
  return 'updated';
}

export async function groupBox(rest: Rest, group: Qualified, signal: AbortSignal): Promise<Box | undefined> {
  return fromJson(at(await read(rest, group, signal), 'bounds'));
}

async function read(rest: Rest, group: Qualified, signal: AbortSignal): Promise<unknown> {
  return at(await rest.getJson(`${groupPath(group)}?quietOnNotFound=true`, signal), 'layerGroup');
}

async function put(
  rest: Rest,
  group: Qualified,
  current: unknown,
  body: Json,
  signal: AbortSignal,
): Promise<void> {
  // A group that was once stored without styles draws well, but refuses every write that has some.
  const { styles, ...others } = body;
  const layerGroup = at(current, 'styles') === undefined ? others : { ...others, styles };
  await rest.write({ method: 'PUT', path: groupPath(group), json: { layerGroup } }, signal);
  await checkTaken(rest, group, body, signal);
}

/** Whether GeoServer has taken all members: one that went away meanwhile is left out without a word. */
async function checkTaken(rest: Rest, group: Qualified, body: Json, signal: AbortSignal): Promise<void> {
  const after = membersOf(await read(rest, group, signal)).map(keyOf);
  const expected = list(at(body, 'publishables', 'published')).map(keyIn);
  if (sameList(after, expected)) return;
  throw missing(
    group,
    expected.filter((key) => !after.includes(key)),
  );
}

function isSame(current: unknown, wanted: LayerGroup, bounds: Box | undefined): boolean {
  return (
    at(current, 'mode') === 'SINGLE' &&
    text(at(current, 'title')) === wanted.title &&
    text(at(current, 'abstractTxt')) === wanted.abstract &&
    sameList(membersOf(current).map(keyOf), wanted.members.map(keyOf)) &&
    (bounds === undefined || sameBox(fromJson(at(current, 'bounds')), bounds))
  );
}

function bodyOf(wanted: LayerGroup, bounds: Box | undefined): Json {
  return {
    name: wanted.name,
    mode: 'SINGLE',
    title: wanted.title,
    abstractTxt: wanted.abstract,
    workspace: { name: wanted.workspace },
    ...publishablesOf(wanted.members),
    ...boundsJson(bounds),
  };
}

/** Members and one empty style for each: without as many styles as members a change of their number is refused. */
function publishablesOf(members: readonly GroupMember[]): Json {
  return {
    publishables: { published: members.map((member) => ({ '@type': member.type, name: qualify(member) })) },
    styles: { style: members.map(() => '') },
  };
}

function boundsJson(bounds: Box | undefined): Json {
  return bounds === undefined ? {} : { bounds: toJson(bounds, LAT_LON) };
}

/** The union of the members' boxes. Their reading shows as well that all of them are there. */
async function boundsOfMembers(
  rest: Rest,
  wanted: LayerGroup,
  signal: AbortSignal,
): Promise<Box | undefined> {
  const boxes = await memberBoxes(rest, wanted.members, signal);
  const lost = wanted.members.filter((_, index) => boxes[index] === 'missing');
  if (lost.length > 0) throw missing(wanted, lost.map(keyOf));
  return union(boxes.filter((box) => box !== undefined && box !== 'missing'));
}

function memberBoxes(
  rest: Rest,
  members: readonly GroupMember[],
  signal: AbortSignal,
): Promise<readonly (Box | undefined | 'missing')[]> {
  return Promise.all(
    members.map(async (member) => {
      if (member.type === 'layer') return layerBox(rest, member, member.kind ?? 'featureType', signal);
      if (rest.boxes.has(qualify(member))) return rest.boxes.get(qualify(member));
      const group = await read(rest, member, signal);
      return group === undefined ? 'missing' : fromJson(at(group, 'bounds'));
    }),
  );
}

function missing(group: Qualified, members: readonly string[]): AgentError {
  return new AgentError(
    'not-published-yet',
    `GeoServer lacks these members of layer group ${qualify(group)}: ${members.join(', ')}`,
    { retry: 'transient', hint: 'Publish them first.' },
  );
}

/** A layer and a group of one name would share, and lose, one tile layer. */
async function refuseLayerOfThatName(rest: Rest, group: Qualified, signal: AbortSignal): Promise<void> {
  const address = path`/rest/layers/${qualify(group)}.json`;
  if ((await rest.getJson(`${address}?quietOnNotFound=true`, signal)) === undefined) return;
  throw new AgentError(
    'conflict',
    `there is a layer ${qualify(group)}, so no layer group may have that name`,
    {
      retry: 'final',
      hint: 'Rename one of the two on the master.',
    },
  );
}

function membersOf(current: unknown): readonly GroupMember[] {
  return list(at(current, 'publishables', 'published')).map((item) => {
    const [workspace = '', ...name] = text(at(item, 'name')).split(':');
    return {
      type: at(item, '@type') === 'layerGroup' ? 'layerGroup' : 'layer',
      workspace,
      name: name.join(':'),
    };
  });
}

function keyIn(published: unknown): string {
  return `${text(at(published, '@type'))} ${text(at(published, 'name'))}`;
}

function keyOf({ type, workspace, name }: GroupMember): string {
  return `${type} ${workspace}:${name}`;
}

function groupPath({ workspace, name }: Qualified): string {
  return path`/rest/workspaces/${workspace}/layergroups/${name}.json`;
}
