import pg from 'pg';
import { entries } from '../../../src/geoserver/json.js';
import type { Box } from '../../../src/geoserver/boxes.js';
import type { Attribute, Store } from './catalog.js';

export interface Table {
  readonly attributes: readonly Attribute[];
  readonly geometry: { readonly name: string; readonly srid: number } | undefined;
}

/** What GeoServer reads of the database behind a store: columns and boxes. */
export interface Tables {
  /** undefined when there is no such relation, or the SQL fails. */
  describe(store: Store, relation: Relation): Promise<Table | undefined>;
  /** Tables and views of the store's schema; undefined when nobody knows. Throws when the store cannot be opened. */
  names(store: Store): Promise<readonly string[] | undefined>;
  box(store: Store, relation: Relation, table: Table): Promise<Box | undefined>;
  /** A box in another coordinate system. */
  transform(store: Store, box: Box, from: number, to: number): Promise<Box>;
  /** The layers of a store whose connection is written anew are read again. */
  forget(store: Store): Promise<void>;
  close(): Promise<void>;
}

export type Relation = { readonly table: string } | { readonly sql: string };

const BINDINGS: Readonly<Record<string, string>> = {
  int2: 'java.lang.Short',
  int4: 'java.lang.Integer',
  int8: 'java.lang.Long',
  float4: 'java.lang.Float',
  float8: 'java.lang.Double',
  numeric: 'java.math.BigDecimal',
  bool: 'java.lang.Boolean',
  date: 'java.sql.Date',
  timestamp: 'java.sql.Timestamp',
  geometry: 'org.locationtech.jts.geom.Geometry',
};

const COLUMNS = `
  SELECT a.attname AS name, t.typname AS type, postgis_typmod_srid(a.atttypmod) AS srid,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS key
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly srid: number | null;
  readonly key: boolean;
}

/** Reads the real PostgreSQL that a store's connection parameters name. */
export class PostgresTables implements Tables {
  readonly #pools = new Map<Store, pg.Pool>();

  async describe(store: Store, relation: Relation): Promise<Table | undefined> {
    const pool = this.#pool(store);
    const parameters = parametersOf(store);
    if ('sql' in relation) return describeSql(pool, relation.sql);
    const rows = (await pool.query<ColumnRow>(COLUMNS, [nameOf(store, relation.table)])).rows;
    if (rows.length === 0) return undefined;
    const exposed = parameters.get('Expose primary keys') === 'true';
    const shape = rows.find((row) => row.type === 'geometry');
    return {
      attributes: rows.filter((row) => exposed || !row.key).map(attributeOf),
      geometry: shape === undefined ? undefined : { name: shape.name, srid: shape.srid ?? 0 },
    };
  }

  async names(store: Store): Promise<readonly string[]> {
    const sql = `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind IN ('r', 'v', 'm') ORDER BY 1`;
    const { rows } = await this.#pool(store).query<{ name: string }>(sql, [schemaOf(store)]);
    return rows.map(({ name }) => name);
  }

  async box(store: Store, relation: Relation, table: Table): Promise<Box | undefined> {
    if (table.geometry === undefined) return undefined;
    const source = 'sql' in relation ? `(${relation.sql}) AS v` : nameOf(store, relation.table);
    const shape = pg.escapeIdentifier(table.geometry.name);
    return this.#extent(store, `SELECT ST_Extent(${shape}) AS e FROM ${source}`);
  }

  async transform(store: Store, box: Box, from: number, to: number): Promise<Box> {
    const corners = [box.minx, box.miny, box.maxx, box.maxy, from].map(Number).join(', ');
    const sql = `SELECT ST_Extent(ST_Transform(ST_MakeEnvelope(${corners}), ${to})) AS e`;
    return (await this.#extent(store, sql)) ?? box;
  }

  async forget(store: Store): Promise<void> {
    const pool = this.#pools.get(store);
    this.#pools.delete(store);
    await pool?.end();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.keys()].map((store) => this.forget(store)));
  }

  async #extent(store: Store, inner: string): Promise<Box | undefined> {
    const sql = `SELECT ST_XMin(e) AS minx, ST_YMin(e) AS miny, ST_XMax(e) AS maxx, ST_YMax(e) AS maxy FROM (${inner}) AS x`;
    const [row] = (await this.#pool(store).query<Box | { minx: null }>(sql)).rows;
    return row === undefined || row.minx === null ? undefined : row;
  }

  #pool(store: Store): pg.Pool {
    const known = this.#pools.get(store);
    if (known !== undefined) return known;
    const parameters = parametersOf(store);
    const pool = new pg.Pool({
      host: parameters.get('host'),
      port: Number(parameters.get('port')),
      database: parameters.get('database'),
      user: parameters.get('user'),
      password: (parameters.get('passwd') ?? '').replace(/^plain:/, ''),
      max: 2,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 2_000,
      allowExitOnIdle: true,
    });
    // A database that is stopped or dropped under a pool is no event of interest here.
    pool.on('error', () => undefined);
    this.#pools.set(store, pool);
    return pool;
  }
}

/** For tests without a database: every table exists, and has no columns. */
export class NoTables implements Tables {
  describe(): Promise<Table> {
    return Promise.resolve({ attributes: [], geometry: { name: 'wkb_geometry', srid: 4326 } });
  }

  names(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  box(): Promise<Box> {
    return Promise.resolve({ minx: 114, miny: -36, maxx: 125, maxy: -25 });
  }

  transform(_store: Store, box: Box): Promise<Box> {
    return Promise.resolve(box);
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function describeSql(pool: pg.Pool, sql: string): Promise<Table | undefined> {
  try {
    const { fields } = await pool.query(`SELECT * FROM (${sql}) AS v LIMIT 0`);
    const types = await pool.query<{ oid: number; typname: string }>(
      'SELECT oid::int, typname FROM pg_type WHERE oid = ANY ($1::oid[])',
      [fields.map((field) => field.dataTypeID)],
    );
    const columns = fields.map(({ name, dataTypeID }) => ({
      name,
      type: types.rows.find((row) => row.oid === dataTypeID)?.typname ?? '',
    }));
    const shape = columns.find((column) => column.type === 'geometry');
    return {
      attributes: columns.map(attributeOf),
      geometry: shape === undefined ? undefined : { name: shape.name, srid: 0 },
    };
  } catch (error) {
    if (error instanceof pg.DatabaseError) return undefined;
    throw error;
  }
}

function attributeOf(column: { readonly name: string; readonly type: string }): Attribute {
  return { name: column.name, binding: BINDINGS[column.type] ?? 'java.lang.String' };
}

function nameOf(store: Store, table: string): string {
  return `${pg.escapeIdentifier(schemaOf(store))}.${pg.escapeIdentifier(table)}`;
}

function schemaOf(store: Store): string {
  return parametersOf(store).get('schema') ?? 'public';
}

function parametersOf(store: Store): ReadonlyMap<string, string> {
  return entries(store.fields['connectionParameters']);
}
