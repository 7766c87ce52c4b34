import { AgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';
import { sqlState } from './errors.js';
import { qualified, quoteName } from './names.js';

export interface Column {
  readonly name: string;
  /** As PostgreSQL writes it: "character varying(20)", "geometry(Point,4326)". */
  readonly type: string;
  readonly notNull: boolean;
}

export interface GeometryColumn {
  readonly name: string;
  /** "Point", "MultiPolygonZ", ...; "Geometry" when it may hold any. */
  readonly type: string;
  /** 0 when unknown. */
  readonly srid: number;
  readonly isGeography: boolean;
}

export interface RelationInfo {
  readonly kind: 'table' | 'view' | 'materialized view' | 'other';
  readonly columns: readonly Column[];
  /** In the order of the columns; the first is the one that is drawn. */
  readonly geometryColumns: readonly GeometryColumn[];
}

export interface Box {
  readonly minX: number;
  readonly minY: number;
  readonly maxX: number;
  readonly maxY: number;
}

export interface Extent {
  readonly native: Box;
  /** In WGS 84; undefined when PostGIS can't transform the reference system (unknown, or not a standard one). */
  readonly latLon: Box | undefined;
  /** The SRID of the geometries themselves, 0 when unknown. */
  readonly srid: number;
}

export type ExtentSource =
  | { readonly schema: string; readonly name: string; readonly column: string }
  | { readonly sql: string; readonly column: string };

const EXTENT_TIMEOUT_MS = 15 * 60_000;

/** Columns and geometry columns of a table or view. Throws a transient AgentError 'not-published-yet' when there is none. */
export async function describeRelation(
  context: DatabaseContext,
  { schema, name }: { readonly schema: string; readonly name: string },
  signal: AbortSignal,
): Promise<RelationInfo> {
  return context.connections.use(signal, async (session) => {
    // One without columns is still one row.
    const found = await session.query<ColumnRow>(
      `SELECT c.relkind AS kind, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
              a.attnotnull AS not_null, t.typname AS base
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_type t ON t.oid = a.atttypid
        WHERE n.nspname = $1 AND c.relname = $2 ORDER BY a.attnum`,
      [schema, name],
    );
    const [relation] = found;
    if (!relation)
      throw new AgentError('not-published-yet', `There is no table or view ${schema}.${name}.`, {
        retry: 'transient',
      });
    const rows = found.flatMap((row) => (row.name === null ? [] : { ...row, name: row.name }));
    const geometries = rows.filter((row) => row.base === 'geometry' || row.base === 'geography');
    const geometryColumns: GeometryColumn[] = [];
    for (const row of geometries)
      geometryColumns.push(await describeGeometry(session, qualified(schema, name), row));
    return {
      kind: KINDS[relation.kind] ?? 'other',
      columns: rows.map((row) => ({ name: row.name, type: row.type, notNull: row.not_null })),
      geometryColumns,
    };
  });
}

interface ColumnRow {
  readonly kind: string;
  /** Null for a relation without columns. */
  readonly name: string | null;
  readonly type: string;
  readonly not_null: boolean;
  readonly base: string;
}

const KINDS: Readonly<Record<string, RelationInfo['kind']>> = {
  r: 'table',
  v: 'view',
  m: 'materialized view',
};

async function describeGeometry(
  session: Session,
  relation: string,
  row: { readonly name: string; readonly type: string; readonly base: string },
): Promise<GeometryColumn> {
  const isGeography = row.base === 'geography';
  const [, type = 'Geometry', srid = '0'] = /\((\w+)(?:,(\d+))?\)$/.exec(row.type) ?? [];
  if (srid !== '0') return { name: row.name, type, srid: Number(srid), isGeography };
  // The column's type doesn't say; then the first geometry does.
  const column = quoteName(row.name);
  const [first] = await session.query<{ srid: number }>(
    `SELECT ST_SRID(${column}${isGeography ? '::geometry' : ''}) AS srid FROM ${relation} WHERE ${column} IS NOT NULL LIMIT 1`,
  );
  return { name: row.name, type, srid: first?.srid ?? (isGeography ? 4326 : 0), isGeography };
}

/**
 * The exact bounding box of all geometries, and the box in WGS 84 around it; undefined when there are none. Corners and
 * edges of the native box are transformed, not every geometry: the box in WGS 84 is around all of them.
 */
export async function extentOf(
  context: DatabaseContext,
  source: ExtentSource,
  signal: AbortSignal,
): Promise<Extent | undefined> {
  const from =
    'sql' in source ? `(${source.sql.replace(/;\s*$/, '')}\n) AS q` : qualified(source.schema, source.name);
  const column = `${quoteName(source.column)}::geometry`;
  return context.connections.use(signal, async (session) =>
    session.transaction('READ ONLY', async () => {
      // ST_Extent reads the cached boxes, which are rounded to 32 bits; ST_3DExtent reads the coordinates.
      const [row] = await session.query<ExtentRow>(
        `SELECT ST_XMin(e.box) AS min_x, ST_YMin(e.box) AS min_y, ST_XMax(e.box) AS max_x, ST_YMax(e.box) AS max_y,
                e.srid, s.srid IS NOT NULL AS is_known
           FROM (SELECT ST_3DExtent(${column}) AS box, coalesce(max(ST_SRID(${column})), 0) AS srid FROM ${from}) e
           LEFT JOIN spatial_ref_sys s ON s.srid = e.srid
          WHERE e.box IS NOT NULL`,
        [],
        { timeoutMs: EXTENT_TIMEOUT_MS, doing: 'Computing the bounding box' },
      );
      if (!row) return undefined;
      const native = { minX: row.min_x, minY: row.min_y, maxX: row.max_x, maxY: row.max_y };
      if (row.srid === 4326) return { native, latLon: native, srid: row.srid };
      return {
        native,
        latLon: row.is_known ? await inWgs84(session, native, row.srid) : undefined,
        srid: row.srid,
      };
    }),
  );
}

interface ExtentRow {
  readonly min_x: number;
  readonly min_y: number;
  readonly max_x: number;
  readonly max_y: number;
  readonly srid: number;
  readonly is_known: boolean;
}

/** The edges are transformed at 512 points each, since they become curves: of a continent, right to a metre. */
async function inWgs84(session: Session, box: Box, srid: number): Promise<Box | undefined> {
  await session.query('SAVEPOINT transform');
  try {
    const row = await session.one<ExtentRow>(
      `SELECT ST_XMin(e) AS min_x, ST_YMin(e) AS min_y, ST_XMax(e) AS max_x, ST_YMax(e) AS max_y
         FROM (SELECT ST_3DExtent(ST_Transform(ST_SetSRID(
                        ST_MakePoint($1::float8 + ($3::float8 - $1) * i / 512, $2::float8 + ($4::float8 - $2) * j / 512),
                        $5::int), 4326)) AS e
                 FROM generate_series(0, 512) i, generate_series(0, 512) j WHERE i IN (0, 512) OR j IN (0, 512)) edge`,
      [box.minX, box.minY, box.maxX, box.maxY, srid],
    );
    const latLon = { minX: row.min_x, minY: row.min_y, maxX: row.max_x, maxY: row.max_y };
    return Object.values(latLon).every(Number.isFinite) ? latLon : undefined;
  } catch (error) {
    if (sqlState(error) !== 'XX000') throw error; // what PostGIS raises when it can't
    await session.query('ROLLBACK TO SAVEPOINT transform');
    return undefined;
  }
}
