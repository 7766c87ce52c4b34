import type { Kind } from './kind.js';

/** Where a path of the state repository belongs. */
export interface Location {
  readonly kind: Kind;
  /** Empty for a file at the root. */
  readonly channel: string;
  /** The action when the file does not say one. */
  readonly defaultAction: string;
  /** For an overlay or another companion file: the path of the task file it belongs to. */
  readonly base: string;
}

/** The kind a path belongs to; undefined for every other file (README, .hgsub, deeper folders), which is no job. */
export function locate(path: string, kinds: readonly Kind[]): Location | undefined {
  const parts = path.split('/');
  for (const kind of kinds) {
    if ('folder' in kind.place) {
      const [channel, folder, file] = parts;
      if (parts.length !== 3 || folder !== kind.place.folder || channel === '' || !file?.endsWith('.json'))
        continue;
      const overlay = kind.overlay;
      const isOverlay = overlay !== undefined && file.endsWith(overlay.suffix);
      return {
        kind,
        channel: channel ?? '',
        defaultAction: isOverlay ? overlay.action : 'publish',
        base: isOverlay ? `${path.slice(0, -overlay.suffix.length)}.json` : path,
      };
    }
    const depth = kind.place.within === 'root' ? 1 : 2;
    if (parts.length === depth && parts.at(-1) === kind.place.file)
      return { kind, channel: depth === 1 ? '' : (parts[0] ?? ''), defaultAction: 'publish', base: path };
  }
  return undefined;
}

/** The sibling whose metadata win over this task file's, whether it exists or not. */
export function overlayPath(path: string, kind: Kind): string | undefined {
  if (kind.overlay === undefined || path.endsWith(kind.overlay.suffix)) return undefined;
  return `${path.slice(0, -'.json'.length)}${kind.overlay.suffix}`;
}

/** True when the file lies in a listened channel, or at the root, where files belong to all channels. */
export function isListened(path: string, channels: readonly string[]): boolean {
  const slash = path.indexOf('/');
  return slash < 0 || channels.includes(path.slice(0, slash));
}
