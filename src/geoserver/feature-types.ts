import { AgentError } from '../lib/errors.js';
import { fromJson, LAT_LON, sameBox, toJson, type Box } from './boxes.js';
import { converge, type Change } from './change.js';
import { bodyText, errorOf, GeoServerError } from './errors.js';
import { at, list, listOfTexts, sameList, sameSet, text } from './json.js';
import { finishMove } from './moves.js';
import { path, qualify, type Qualified } from './names.js';
import { parseJson, type Rest } from './rest.js';

export interface SqlView {
  /** One SELECT; a `;` at its end is taken off, since GeoServer refuses it. */
  readonly sql: string;
  readonly geometry?: { readonly name: string; readonly type: string; readonly srid: number };
}

export interface FeatureTypeName extends Qualified {
  readonly store: string;
}

export interface FeatureType extends FeatureTypeName {
  /** The table or view in the store's schema; with `sqlView` the name of that view inside GeoServer. */
  readonly nativeName: string;
  readonly title: string;
  readonly abstract: string;
  readonly keywords: readonly string[];
  /** For instance `EPSG:4326`, and really that of the data. Without it GeoServer decides (tables without geometry). */
  readonly srs?: string;
  /** In `srs`. Without boxes GeoServer scans the table for them while everything else waits. */
  readonly nativeBox?: Box;
  /** In degrees, EPSG:4326. */
  readonly latLonBox?: Box;
  readonly sqlView?: SqlView;
  /** The columns that the table has now: when GeoServer knows others, it is made to read them again. */
  readonly columns?: readonly string[];
  /** Makes GeoServer read the columns again in any case, for a change of type. */
  readonly rereadColumns?: boolean;
  /**
   * The store that this layer was published from so far: if it is still there, it moves; a move that was interrupted is
   * finished. A layer of that name in any other store is somebody else's, and a conflict.
   */
  readonly previousStore?: string;
  /** The caller knows of no such layer: it is created without looking first, which saves a request. */
  readonly likelyNew?: boolean;
}

const VIEW_KEY = 'JDBC_VIRTUAL_TABLE';

/**
 * Publishes a table, view or SQL view, or updates it in place: the layer is never away, and keeps its styles, its
 * groups and its tiles. Throws GeoServerError, among others 'not-published-yet' when the table does not exist and
 * 'conflict' (final) when another store of the workspace has a layer of that name.
 */
export function ensureFeatureType(rest: Rest, wanted: FeatureType, signal: AbortSignal): Promise<Change> {
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = likelyNew ? 'missing' : await read(rest, wanted, signal);
      likelyNew = false;
      rest.boxes.delete(qualify(wanted));
      if (current === 'missing') {
        const isMoved = await move(rest, wanted, signal);
        if (!isMoved) await create(rest, wanted, { featureType: bodyOf(undefined, wanted) }, signal);
        noteBox(rest, wanted);
        return isMoved ? 'updated' : 'created';
      }
      await finishOwnMove(rest, wanted, signal);
      const haveChanged = wanted.rereadColumns === true || !hasColumns(current, wanted);
      if (!haveChanged && current !== 'broken' && isSame(current, wanted)) {
        rest.boxes.set(qualify(wanted), fromJson(at(current, 'latLonBoundingBox')));
        return 'unchanged';
      }
      const json = { featureType: bodyOf(current === 'broken' ? undefined : current, wanted) };
      const address = `${itemPath(wanted)}?${recalculation(wanted)}`;
      const put = () => rest.write({ method: 'PUT', path: address, json }, signal);
      await put();
      if (haveChanged) await confirmColumns(rest, wanted, current, put, signal);
      noteBox(rest, wanted);
      return 'updated';
    }, signal),
  );
}

const MAX_WRITES = 4;

/**
 * Looks whether GeoServer has really read the columns again, and writes once more when not. It empties several caches one
 * after another, and a request that is under way then may put the old columns back: from then on every WFS request fails,
 * until they are emptied again. With four busy readers that came of 5 in 100 calls of `/reset`; of none in 600 of a PUT that
 * changes nothing, followed by this look (2.26.2). Types are shown in GeoServer's own words, which may be the same for the
 * new ones: then one more PUT makes sure. Columns of types that it cannot read never show up.
 */
async function confirmColumns(
  rest: Rest,
  wanted: FeatureType,
  before: unknown,
  put: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let writes = 1; writes < MAX_WRITES; writes++) {
    const now = await read(rest, wanted, signal);
    const isKnownNew = writes > 1 || !sameList(attributesOf(now), attributesOf(before));
    if (isKnownNew && now !== 'missing' && now !== 'broken' && hasColumns(now, wanted)) return;
    await put();
  }
  const last = await read(rest, wanted, signal);
  const gone = columnNames(last).filter((name) => wanted.columns?.includes(name) === false);
  if (gone.length > 0)
    throw new AgentError(
      'not-published-yet',
      `GeoServer still shows columns of ${wanted.workspace}:${wanted.name} that are gone: ${gone.join(', ')}`,
      { retry: 'transient' },
    );
}

async function create(rest: Rest, wanted: FeatureType, json: object, signal: AbortSignal): Promise<void> {
  try {
    await rest.write({ method: 'POST', path: parentPath(wanted), json }, signal);
  } catch (error) {
    if (!(error instanceof GeoServerError && error.status === 500 && error.body === '')) throw error;
    // All that GeoServer says about a store that it cannot open.
    const { workspace, store, name } = wanted;
    throw new AgentError('connection', `${error.message} without a word, creating ${workspace}:${name}`, {
      retry: 'transient',
      hint: `Most likely it cannot connect to the database of the data store ${workspace}:${store}.`,
      cause: error,
    });
  }
}

/** Moves the layer from its previous store, in place: with its styles, groups and tiles. False when it is not there. */
async function move(rest: Rest, wanted: FeatureType, signal: AbortSignal): Promise<boolean> {
  const { workspace, store, previousStore } = wanted;
  if (previousStore === undefined || previousStore === store) return false;
  const previous = { workspace, store: previousStore, name: wanted.name };
  const current = await read(rest, previous, signal);
  if (current === 'missing') return false;
  const target = { store: { '@class': 'dataStore', name: qualify({ workspace, name: store }) } };
  const json = { featureType: { ...bodyOf(current === 'broken' ? undefined : current, wanted), ...target } };
  const address = `${itemPath(previous)}?${recalculation(wanted)}`;
  await rest.write({ method: 'PUT', path: address, json }, signal);
  await finishOwnMove(rest, wanted, signal);
  return true;
}

async function finishOwnMove(rest: Rest, wanted: FeatureType, signal: AbortSignal): Promise<void> {
  const { workspace, name, store, previousStore: from } = wanted;
  if (from !== undefined && from !== store) await finishMove(rest, { workspace, name, from }, signal);
}

/** A box that was given is stored as it is; one that GeoServer computes has to be read. */
function noteBox(rest: Rest, wanted: FeatureType): void {
  if (wanted.latLonBox !== undefined) rest.boxes.set(qualify(wanted), wanted.latLonBox);
}

/** Removes the feature type with its layer and tiles. A member of a layer group is refused: 'conflict'. */
export function removeFeatureType(rest: Rest, name: FeatureTypeName, signal: AbortSignal): Promise<Change> {
  rest.boxes.delete(qualify(name));
  return rest.alone(name, () =>
    converge(
      async () => ((await rest.delete(`${itemPath(name)}?recurse=true`, signal)) ? 'removed' : 'unchanged'),
      signal,
    ),
  );
}

/**
 * `broken`: it exists, but its table or its SQL does not work any more, so that GeoServer cannot show it; a PUT with
 * working ones mends it.
 */
async function read(rest: Rest, name: FeatureTypeName, signal: AbortSignal): Promise<unknown> {
  const address = `${itemPath(name)}?quietOnNotFound=true`;
  const response = await rest.getAny(address, signal, 'application/json');
  if (response.status === 404) return 'missing';
  if (response.status === 200) return at(parseJson(response.body, address), 'featureType');
  if (bodyText(response).includes('Could not get native attributes')) return 'broken';
  throw errorOf(response, `GET feature type ${name.workspace}:${name.name}`);
}

function isSame(current: unknown, wanted: FeatureType): boolean {
  return (
    at(current, 'enabled') === true &&
    at(current, 'nativeName') === wanted.nativeName &&
    text(at(current, 'title')) === wanted.title &&
    text(at(current, 'abstract')) === wanted.abstract &&
    sameList(listOfTexts(at(current, 'keywords', 'string')), keywordsOf(wanted)) &&
    (wanted.srs === undefined || at(current, 'srs') === wanted.srs) &&
    hasBox(current, 'nativeBoundingBox', wanted.nativeBox) &&
    hasBox(current, 'latLonBoundingBox', wanted.latLonBox) &&
    hasView(current, wanted)
  );
}

/**
 * A new feature type that is given no keywords gets these two from GeoServer, and one that is changed would lose them: they
 * are written, so that it does not matter how a layer came to be as it is.
 */
function keywordsOf({ keywords, nativeName }: FeatureType): readonly string[] {
  return keywords.length === 0 ? ['features', nativeName] : keywords;
}

function hasBox(current: unknown, key: string, wanted: Box | undefined): boolean {
  return wanted === undefined || sameBox(fromJson(at(current, key)), wanted);
}

function hasView(current: unknown, wanted: FeatureType): boolean {
  const actual = metadataOf(current).find((entry) => at(entry, '@key') === VIEW_KEY);
  if (actual === undefined || wanted.sqlView === undefined) return actual === wanted.sqlView;
  const table = at(actual, 'virtualTable');
  const geometry = wanted.sqlView.geometry;
  return (
    // GeoServer adds a line break at the end.
    text(at(table, 'sql')).trim() === cleanSql(wanted.sqlView.sql) &&
    (geometry === undefined ||
      (at(table, 'geometry', 'name') === geometry.name &&
        at(table, 'geometry', 'type') === geometry.type &&
        Number(at(table, 'geometry', 'srid')) === geometry.srid))
  );
}

function hasColumns(current: unknown, wanted: FeatureType): boolean {
  if (wanted.columns === undefined) return true;
  return sameSet(columnNames(current), wanted.columns);
}

function columnNames(current: unknown): string[] {
  return list(at(current, 'attributes', 'attribute')).map((attribute) => text(at(attribute, 'name')));
}

/** Names and types of the columns, as GeoServer knows them. */
function attributesOf(current: unknown): string[] {
  return list(at(current, 'attributes', 'attribute')).map((attribute) =>
    JSON.stringify([at(attribute, 'name'), at(attribute, 'binding')]),
  );
}

/**
 * Every field of ours. Metadata are replaced whole, so they are sent only when the SQL view among them changes, and
 * then with everybody else's.
 */
function bodyOf(current: unknown, wanted: FeatureType): object {
  const others = metadataOf(current).filter((entry) => at(entry, '@key') !== VIEW_KEY);
  const view = wanted.sqlView === undefined ? [] : [viewOf(wanted.nativeName, wanted.sqlView)];
  const metadata = { metadata: { entry: [...others, ...view] } };
  const replaceMetadata = current === undefined ? view.length > 0 : !hasView(current, wanted);
  return {
    name: wanted.name,
    nativeName: wanted.nativeName,
    title: wanted.title,
    abstract: wanted.abstract,
    keywords: { string: keywordsOf(wanted) },
    enabled: true,
    ...(wanted.srs === undefined ? {} : { srs: wanted.srs }),
    ...(wanted.nativeBox === undefined
      ? {}
      : { nativeBoundingBox: toJson(wanted.nativeBox, wanted.srs ?? LAT_LON) }),
    ...(wanted.latLonBox === undefined ? {} : { latLonBoundingBox: toJson(wanted.latLonBox, LAT_LON) }),
    ...(replaceMetadata ? metadata : {}),
  };
}

function viewOf(name: string, view: SqlView): object {
  const geometry = view.geometry === undefined ? {} : { geometry: view.geometry };
  return { '@key': VIEW_KEY, virtualTable: { name, sql: cleanSql(view.sql), escapeSql: false, ...geometry } };
}

function cleanSql(sql: string): string {
  return sql.trim().replace(/[;\s]+$/, '');
}

/**
 * Boxes that are given are to be kept: without the parameter a changed native box would make GeoServer derive the
 * other one from it. Boxes that are not given are to be computed for the new table or SQL.
 */
function recalculation(wanted: FeatureType): string {
  const missing = [
    ...(wanted.nativeBox === undefined ? ['nativebbox'] : []),
    ...(wanted.latLonBox === undefined ? ['latlonbbox'] : []),
  ];
  return new URLSearchParams({ recalculate: missing.length === 0 ? 'none' : missing.join(',') }).toString();
}

function metadataOf(current: unknown): readonly unknown[] {
  return list(at(current, 'metadata', 'entry'));
}

function parentPath({ workspace, store }: FeatureTypeName): string {
  return path`/rest/workspaces/${workspace}/datastores/${store}/featuretypes`;
}

function itemPath(name: FeatureTypeName): string {
  return `${parentPath(name)}${path`/${name.name}`}.json`;
}
