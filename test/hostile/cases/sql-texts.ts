import { expect } from 'chai';
import { feature, task, type HostileCase, type HostileClass } from '../case.js';

const GEOMETRY = 'ST_SetSRID(ST_Point(115, -32), 4326) AS wkb_geometry';

const viewSql = (title: string, sql: string, outcome: HostileCase['outcome']): HostileCase =>
  feature(`viewsql: ${title}`, { viewsql: sql, spatial_column: 'wkb_geometry' }, outcome);

/** SQL in everything that is no name: texts for people, SQL views, columns. */
export default {
  name: 'SQL in texts',
  cases: [
    feature(
      'title, abstract and keywords',
      {
        title: `x'); DROP TABLE ws1_data.good; --`,
        abstract: `$$; DROP SCHEMA ws1 CASCADE; $$ \\'; --`,
        keywords: [`'); DROP TABLE public.canary; --`, `"`, '\\'],
        applications: [`'||pg_sleep(100)||'`],
      },
      'published',
    ),
    feature('the id of the job', { job_id: `1'; DROP TABLE ws1_data.good; --` }, 'published'),
    feature('the id of the batch', { job_batch_id: `B'; DELETE FROM jobs; --` }, 'published'),
    feature('the time of the publication', { publish_time: `now(); DROP TABLE jobs` }, 'published'),
    feature('the channel', { channel: `x'; DROP TABLE jobs; --` }, 'published'),
    feature(
      'a column that is none',
      { spatial_column: `wkb_geometry"; DROP TABLE ws1_data.good; --` },
      'published',
    ),
    feature('the reference system', { crs: `EPSG:4326'; DROP TABLE ws1_data.good; --` }, /crs: is no code/),
    feature('the type of geometry', { spatial_type: `Point'; DROP TABLE ws1_data.good; --` }, 'published'),
    viewSql('an innocent one', `SELECT 1 AS id, ${GEOMETRY}`, 'published'),
    viewSql(
      'a second statement',
      `SELECT 1 AS id, ${GEOMETRY}) AS q) e; COMMIT; DROP TABLE ws1_data.good CASCADE; --`,
      /multiple commands|syntax error/,
    ),
    viewSql(
      'a change inside WITH',
      `WITH x AS (DELETE FROM public.canary RETURNING *) SELECT ${GEOMETRY} FROM x`,
      /WITH/,
    ),
    viewSql('not a query at all', 'DROP TABLE ws1_data.good', /syntax error/),
    viewSql(
      'a function that changes things',
      `SELECT setval('ws1_data.good_id_seq', 1), ${GEOMETRY}`,
      /read-only/,
    ),
    viewSql(
      'SQL run by a function',
      `SELECT query_to_xml('DROP TABLE ws1_data.good CASCADE', true, true, ''), ${GEOMETRY}`,
      /read-only|not allowed|cannot/i,
    ),
    viewSql(
      'a way out of the read-only transaction',
      `SELECT set_config('transaction_read_only', 'off', false), ${GEOMETRY}`,
      /read-write mode/,
    ),
    viewSql('a comment that is never closed', `SELECT ${GEOMETRY} /*`, /comment/),
    viewSql('a string that is never closed', `SELECT 'x, ${GEOMETRY}`, /unterminated/),
    viewSql('psql', String.raw`\! touch pwned`, /syntax error/),
    {
      title: 'layers: viewsql that asks for the password of GeoServer',
      outcome: /syntax|column|does not exist/,
      make: async (lab, id) => {
        const sql = 'SELECT current_setting(passwd) AS p';
        const made = await feature('', { viewsql: sql, spatial_column: 'wkb_geometry' }, 'published').make(
          lab,
          id,
        );
        const check = (): Promise<void> => {
          expect(lab.rig.geoserver.standIn?.requests.some(({ body }) => body.includes(sql))).to.equal(false);
          return Promise.resolve();
        };
        return { ...made, check };
      },
    },
    task(
      'live_layers',
      'viewsql with a second statement',
      { table: null, viewsql: 'SELECT 1; DROP TABLE x' },
      /store/,
    ),
  ],
} satisfies HostileClass;
