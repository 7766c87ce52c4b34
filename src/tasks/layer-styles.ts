import type { FileReference, Job } from '../jobs/job.js';
import { styleName } from '../jobs/style-names.js';
import { layerOf, type LayerSpec } from './layer.js';

interface StyledSpec extends LayerSpec {
  readonly styles: Readonly<
    Record<string, { readonly file?: string; readonly md5?: string; readonly default: boolean }>
  >;
  readonly default_style?: string | null;
}

export interface OwnStyle {
  /** As the task file calls it. */
  readonly key: string;
  /** As GeoServer calls it. */
  readonly name: string;
  readonly reference: FileReference;
}

export const styledOf = (job: Job): StyledSpec => job.spec as unknown as StyledSpec;

/** The styles that a job brings along; entries without a file name nothing to publish. */
export function ownStyles(job: Job): OwnStyle[] {
  return Object.entries(styledOf(job).styles).flatMap(([key, { file, md5 }]) =>
    file === undefined || md5 === undefined
      ? []
      : [{ key, name: styleName(layerOf(job).name, key), reference: { file, md5 } }],
  );
}

/** The default style's name in GeoServer, if the task file names one of its styles. */
export function defaultStyle(job: Job): string | undefined {
  const { styles, default_style } = styledOf(job);
  const brought = new Set(ownStyles(job).map((style) => style.key));
  const key =
    typeof default_style === 'string' && brought.has(default_style)
      ? default_style
      : Object.keys(styles).find(
          (candidate) => styles[candidate]?.default === true && brought.has(candidate),
        );
  return key === undefined ? undefined : styleName(layerOf(job).name, key);
}
