import { expect } from 'chai';
import { postgres } from './postgres.js';

describe('the PostgreSQL cluster of the tests', () => {
  it('gives databases with PostGIS that do not see each other', async () => {
    const cluster = await postgres();
    const [one, two] = await Promise.all([cluster.createDatabase(), cluster.createDatabase()]);
    await one.query('CREATE TABLE place AS SELECT ST_Point(115, -32) AS at');
    expect(await one.query('SELECT ST_AsText(at) AS at FROM place')).to.deep.equal([
      { at: 'POINT(115 -32)' },
    ]);
    expect(await two.query("SELECT to_regclass('place') AS place")).to.deep.equal([{ place: null }]);
    await Promise.all([one.drop(), two.drop()]);
  });

  it('keeps what was committed when it is stopped like in a power failure', async () => {
    const cluster = await postgres();
    const database = await cluster.createDatabase({ postgis: false });
    await database.query('CREATE TABLE kept AS SELECT 1 AS a');
    await cluster.stop('immediate');
    await cluster.start();
    expect(await database.query('SELECT * FROM kept')).to.deep.equal([{ a: 1 }]);
    await database.drop();
  });

  it('ends all backends when one is killed with -9, and recovers', async () => {
    const cluster = await postgres();
    const database = await cluster.createDatabase({ postgis: false });
    const [client, bystander] = [await database.client(), await database.client()];
    const lost = new Promise((resolve) => bystander.once('end', resolve));
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    cluster.killBackend(rows[0]!.pid);
    await lost;
    await cluster.ready();
    expect(await database.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
    await database.drop();
  });
});
