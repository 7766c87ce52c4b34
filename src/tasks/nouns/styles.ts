import type { Job } from '../../jobs/job.js';
import { styleClaims } from '../../jobs/style-names.js';
import { AgentError } from '../../lib/errors.js';
import { hasGeoServerPart, layerName, layerOf } from '../layer.js';
import { defaultStyle, ownStyles } from '../layer-styles.js';
import type { TaskContext, TaskDefinition } from '../task.js';
import { readStyles } from './files.js';

const STYLE = 'style';

/** Settled by the removal of a layer that had the style. */
const goneStyleToken = (claim: string): string => `no ${claim}`;

/** The layer's styles, before the layer itself, so that it never shows the default of its geometry for long. */
const updateStyles: TaskDefinition = {
  type: 'update_styles',
  target: 'geoserver',
  applies: (job, settings) => hasGeoServerPart(job, settings) && ownStyles(job).length > 0,
  object: layerName,
  waitsFor: (job) => styleClaims(job.spec).map(goneStyleToken),
  async run(job, context) {
    const { workspace } = layerOf(job);
    const changes = await Promise.all(
      [...(await readStyles(context))].map(async ([name, sld]) => {
        await claimStyle(job, `${workspace}:${name}`, context);
        return context.geoserver.ensureStyle(
          { workspace, name, sld, likelyNew: context.isNew },
          context.signal,
        );
      }),
    );
    return { output: changes };
  },
};

/** Which styles the layer has: its default, and those people may choose. */
const updateLayer: TaskDefinition = {
  type: 'update_layer',
  target: 'geoserver',
  applies: (job, settings) => hasGeoServerPart(job, settings) && ownStyles(job).length > 0,
  object: layerName,
  async run(job, { geoserver, signal, isNew, isDoneNow }) {
    const first = defaultStyle(job);
    const change = await geoserver.setLayerStyles(
      {
        workspace: layerOf(job).workspace,
        layer: layerOf(job).name,
        ...(first === undefined ? {} : { defaultStyle: first }),
        styles: ownStyles(job)
          .map((style) => style.name)
          .filter((name) => name !== first),
        likelyNew: isNew,
        stylesExist: isDoneNow('update_styles'),
      },
      signal,
    );
    return { output: change };
  },
};

/** Styles that this layer had and has no longer; after the layer has let go of them. */
const removeLostStyles: TaskDefinition = {
  type: 'remove_lost_styles',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  async run(job, context) {
    const kept = new Set(ownStyles(job).map((style) => `${layerOf(job).workspace}:${style.name}`));
    return { output: await removeMade(job, kept, context) };
  },
};

/** All styles that the record says this layer made; the built-in ones and those of others stay. */
const removeStyles: TaskDefinition = {
  type: 'remove_styles',
  target: 'geoserver',
  applies: hasGeoServerPart,
  object: layerName,
  settles: (job) => styleClaims(job.spec).map(goneStyleToken),
  async run(job, context) {
    return { output: await removeMade(job, new Set(), context) };
  },
};

/** Notes that the layer is about to make the style; refuses one that another layer made and still has. */
async function claimStyle(job: Job, style: string, { made, publications }: TaskContext): Promise<void> {
  const owner = made.ownerOf(STYLE, style);
  const isKept = publications().some(
    ({ identity, spec }) => identity === owner && styleClaims(spec).includes(`style:${style}`),
  );
  if (owner !== undefined && owner !== job.identity && isKept)
    throw new AgentError('conflict', `the style ${style} of ${job.identity} belongs to ${owner} already`, {
      // Not final: the other task file's change mends it.
      retry: 'remote',
      hint: 'Give one of the two styles or layers another name on the master.',
    });
  await made.add(STYLE, style, job.identity);
}

async function removeMade(job: Job, kept: ReadonlySet<string>, context: TaskContext): Promise<string[]> {
  const { made } = context;
  const lost = made.of(STYLE, job.identity).filter((style) => !kept.has(style));
  for (const style of lost) {
    // Another layer may have taken it over meanwhile.
    if (made.ownerOf(STYLE, style) !== job.identity) continue;
    const separator = style.indexOf(':');
    await context.geoserver.removeStyle(
      { workspace: style.slice(0, separator), name: style.slice(separator + 1) },
      context.signal,
    );
    if (made.ownerOf(STYLE, style) === job.identity) made.remove(STYLE, style);
  }
  return lost;
}

export default [updateStyles, updateLayer, removeLostStyles, removeStyles];
