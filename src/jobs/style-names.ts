import type { Spec } from './kind.js';

/** How GeoServer calls a layer's style: the layer's name for `builtin`, `{layer}.{style}` otherwise. */
export function styleName(layer: string, key: string): string {
  return key === 'builtin' ? layer : `${layer}.${key}`;
}

/** The styles that a layer's task file brings along, each as a key that only one task file may claim. The spec may be unchecked. */
export function styleClaims(spec: Spec): string[] {
  const { workspace, name, styles } = spec;
  if (typeof workspace !== 'string' || typeof name !== 'string') return [];
  if (styles === null || typeof styles !== 'object') return [];
  return Object.entries(styles as Record<string, { readonly file?: unknown } | null>)
    .filter(([, style]) => style?.file !== undefined)
    .map(([key]) => `style:${workspace}:${styleName(name, key)}`);
}
