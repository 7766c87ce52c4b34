import { expect } from 'chai';
import { failureOf, makeRig, never, type Rig } from './rig.js';

describe('pgdump/relation', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
    await rig.slave.query(`
      CREATE TABLE d.mixed (id int NOT NULL, name varchar(20), geom geometry(MultiPolygonZ, 28350), free geometry, spot geography(Point));
      INSERT INTO d.mixed (id, free) VALUES (1, NULL), (2, ST_SetSRID(ST_MakePoint(1, 2), 3857));
      CREATE VIEW s.mixed AS SELECT * FROM d.mixed;
      CREATE TABLE d.plain (id int); INSERT INTO d.plain SELECT generate_series(1, 1000); ANALYZE d.plain;
      CREATE VIEW s.plain AS SELECT * FROM d.plain;
      CREATE TABLE d.shapes (g geometry);
      CREATE TABLE d.empty (g geometry(Point, 4326))`);
  });
  after(() => rig.close());

  const extent = (column: string) => rig.database.extentOf({ schema: 'd', name: 'shapes', column }, never);
  const fill = (...wkt: string[]) =>
    rig.slave.query(
      `TRUNCATE d.shapes; INSERT INTO d.shapes VALUES ${wkt.map((text) => `(ST_GeomFromEWKT('${text}'))`).join(', ')}`,
    );

  it('describes columns and geometry columns of tables and views', async () => {
    for (const schema of ['d', 's']) {
      const info = await rig.database.describeRelation({ schema, name: 'mixed' }, never);
      expect(info.kind).to.equal(schema === 'd' ? 'table' : 'view');
      expect(info.columns.map(({ name, type }) => `${name} ${type}`)).to.deep.equal([
        'id integer',
        'name character varying(20)',
        'geom geometry(MultiPolygonZ,28350)',
        'free geometry',
        'spot geography(Point,4326)',
      ]);
      expect(info.geometryColumns).to.deep.equal([
        { name: 'geom', type: 'MultiPolygonZ', srid: 28350, isGeography: false },
        { name: 'free', type: 'Geometry', srid: 3857, isGeography: false },
        { name: 'spot', type: 'Point', srid: 4326, isGeography: true },
      ]);
    }
  });

  it('says that a relation is not there', async () => {
    expect(await failureOf(rig.database.describeRelation({ schema: 's', name: 'none' }, never))).to.include({
      reason: 'not-published-yet',
      retry: 'transient',
    });
  });

  it('computes exact boxes, not the rounded ones that geometries carry', async () => {
    await fill('SRID=4326;LINESTRING(115.123456789012 -31.987654321098, 116.111111111111 -30.2, 116 -31)');
    expect(await extent('g')).to.deep.equal({
      native: { minX: 115.123456789012, minY: -31.987654321098, maxX: 116.111111111111, maxY: -30.2 },
      latLon: { minX: 115.123456789012, minY: -31.987654321098, maxX: 116.111111111111, maxY: -30.2 },
      srid: 4326,
    });
  });

  it('gives a box in WGS 84 that holds every geometry', async () => {
    // Conic: the southern edge of the box is a curve, with its lowest point in the middle.
    await fill('SRID=3577;MULTIPOINT(-1900000 -1500000, 2000000 -4500000)');
    const box = await extent('g');
    const [row] = await rig.slave.query<{ x: number; y: number }>(
      `SELECT ST_X(p) AS x, ST_Y(p) AS y FROM ST_Transform(ST_SetSRID(ST_MakePoint(0, -4500000), 3577), 4326) p`,
    );
    expect(box!.srid).to.equal(3577);
    const { minX, minY } = box!.latLon!;
    expect(minY).to.be.closeTo(row!.y, 1e-5);
    expect(minX).to.be.closeTo(110.055, 0.001);
  });

  it('has no box in WGS 84 for unknown and non-standard reference systems', async () => {
    for (const srid of [0, 900914]) {
      await fill(`SRID=${srid};POINT(1 2)`);
      expect(await extent('g')).to.deep.equal({
        native: { minX: 1, minY: 2, maxX: 1, maxY: 2 },
        latLon: undefined,
        srid,
      });
    }
  });

  it('has no box in WGS 84 where the transformation fails', async () => {
    await fill('SRID=3577;POINT(1e12 1e12)');
    expect((await extent('g'))!.latLon).to.equal(undefined);
  });

  it('takes SQL, ending in a semicolon or a comment too, and finds nothing where nothing is', async () => {
    await fill('SRID=4326;POINT(1 2)', 'SRID=4326;POINT(3 4)');
    const where = async (sql: string) => rig.database.extentOf({ sql, column: 'g' }, never);
    expect((await where('SELECT g FROM d.shapes WHERE ST_X(g) > 2;'))!.native.minX).to.equal(3);
    expect((await where('SELECT g FROM d.shapes -- all'))!.native.minX).to.equal(1);
    expect(await where('SELECT g FROM d.shapes WHERE false')).to.equal(undefined);
    expect(await rig.database.extentOf({ schema: 'd', name: 'empty', column: 'g' }, never)).to.equal(
      undefined,
    );
    await fill('SRID=4326;POINT EMPTY');
    expect(await extent('g')).to.equal(undefined);
  });

  it('lets a query of a task file read only', async () => {
    await rig.slave.query(
      'CREATE FUNCTION d.evil() RETURNS SETOF d.shapes LANGUAGE sql AS $$DELETE FROM d.shapes RETURNING *$$',
    );
    const failure = await failureOf(
      rig.database.extentOf({ sql: 'SELECT g FROM d.evil()', column: 'g' }, never),
    );
    expect(failure.message).to.contain('read-only');
    for (const sql of [
      'SELECT g FROM d.shapes) q; DELETE FROM d.shapes; SELECT * FROM (SELECT 1 AS g',
      'SELECT 1 AS g) q; COMMIT; DROP TABLE d.empty; --',
      'SELECT g FROM d.shapes) q) e, spatial_ref_sys s; COMMIT; DROP TABLE d.empty; --',
    ])
      await failureOf(rig.database.extentOf({ sql, column: 'g' }, never));
    expect(await rig.slave.query('SELECT FROM d.shapes')).to.have.length(1);
    expect(await rig.slave.query(`SELECT FROM pg_class WHERE relname = 'empty'`)).to.have.length(1);
  });
});
