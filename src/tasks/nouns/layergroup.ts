import type { Job } from '../../jobs/job.js';
import { AgentError } from '../../lib/errors.js';
import { digest } from '../../lib/hash.js';
import {
  beforePublishing,
  beforeRemoving,
  goneLayerToken,
  groupsToken,
  hasGeoServerPart,
  layerName,
  layerOf,
  layerToken,
  releasedToken,
  releaseReplaced,
  type LayerSpec,
} from '../layer.js';
import type { TaskContext, TaskDefinition } from '../task.js';

interface Member {
  readonly type: string;
  readonly workspace: string;
  readonly name: string;
}

interface GroupSpec extends LayerSpec {
  readonly layers: readonly Member[];
}

const groupOf = (job: Job): GroupSpec => job.spec as unknown as GroupSpec;

/** Its members come first, also those of this same pull; members that it lost may only go after it let go of them. */
const updateLayerGroup: TaskDefinition = {
  type: 'update_layergroup',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [
    layerToken(groupOf(job).workspace, groupOf(job).name),
    groupsToken(groupOf(job).workspace),
  ],
  waitsFor: (job) => groupOf(job).layers.map((member) => layerToken(member.workspace, member.name)),
  needsSettled: beforePublishing,
  async run(job, context) {
    const { workspace, name, title, abstract } = groupOf(job);
    const { members, warnings } = await membersHere(job, context);
    const change = await context.geoserver.ensureLayerGroup(
      {
        workspace,
        name,
        title: title ?? name,
        abstract: abstract ?? '',
        members: members.map((member) => ({
          type: member.type === 'group' ? ('layerGroup' as const) : ('layer' as const),
          kind: member.type === 'wms_layer' ? ('wmsLayer' as const) : ('featureType' as const),
          workspace: member.workspace,
          name: member.name,
        })),
        // It is due: one of its members may have another box than before.
        recomputeBounds: true,
        likelyNew: context.isNew,
      },
      context.signal,
    );
    return { output: { change, shown: digest(members) }, warnings };
  },
};

const removeLayerGroup: TaskDefinition = {
  type: 'remove_layergroup',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => [
    goneLayerToken(groupOf(job).workspace, groupOf(job).name),
    ...groupOf(job).layers.map((member) => releasedToken(member.workspace, member.name)),
  ],
  waitsFor: beforeRemoving,
  async run(job, context) {
    const { geoserver, signal } = context;
    const { workspace, name } = layerOf(job);
    await releaseReplaced(job, context);
    return { output: await geoserver.removeLayerGroup({ workspace, name }, signal) };
  },
};

/** The kinds that publish what a task file calls a member of this type. */
const KIND_OF: Readonly<Record<string, string>> = {
  publish: 'feature',
  wms_layer: 'wms_layer',
  live_layer: 'live_layer',
  livelayer: 'live_layer',
  group: 'layergroup',
};

/**
 * The members that this slave takes. One that it filters out, or that a channel publishes which it does not listen to, is left
 * out with a warning; one that should be here and is not fails the group, until it comes.
 */
async function membersHere(
  job: Job,
  context: TaskContext,
): Promise<{ members: readonly Member[]; warnings: readonly string[] }> {
  const standing = await Promise.all(
    groupOf(job).layers.map(async (member) => ({
      member,
      at: await context.standing(
        `layer:${member.workspace}:${member.name}`,
        KIND_OF[member.type] ?? member.type,
      ),
    })),
  );
  const nameOf = ({ member }: { member: Member }): string => `${member.workspace}:${member.name}`;
  const missing = standing.filter(({ at }) => at === 'missing').map(nameOf);
  const members = standing.flatMap(({ member, at }) => (at === 'here' ? [member] : []));
  if (missing.length > 0 || members.length === 0)
    throw new AgentError(
      'not-published-yet',
      missing.length > 0
        ? `${layerName(job)}: no task file publishes its members ${missing.join(', ')}`
        : `${layerName(job)}: this slave takes none of its members`,
      { retry: 'remote' },
    );
  const warnings = standing
    .filter(({ at }) => at === 'not-taken')
    .map((entry) => `the member ${nameOf(entry)} is left out: this slave does not take it`);
  return { members, warnings };
}

export default [updateLayerGroup, removeLayerGroup];
