import { feature, raw, task, type HostileCase, type HostileClass, type Outcome } from '../case.js';

const box = (bbox: unknown, outcome: Outcome): HostileCase =>
  feature(`bbox ${JSON.stringify(bbox).slice(0, 60)}`, { bbox, override_bbox: true }, outcome);

/** Numbers too large, numbers that are none, and JSON inside of strings. */
export default {
  name: 'numbers and boxes',
  cases: [
    box([1e308, -1e308, 1e308, 1e308], 'published'),
    box([115, -32, 114, -33], 'published'),
    box([0, 0, 0, 0], 'published'),
    box('[115, -33, 116, -32]', 'published'),
    box('[1e999, 0, 0, 0]', /bbox/),
    box('NaN', /no JSON list/),
    box(['NaN', 0, 0, 0], /bbox/),
    box(['Infinity', 0, 0, 0], /bbox/),
    box([{}, 0, 0, 0], /bbox/),
    box([0, 0, 0], /bbox/),
    box([0, 0, 0, 0, 0], /bbox/),
    box({ length: 4 }, /bbox/),
    box('['.repeat(200_000), /no JSON list/),
    box('['.repeat(2_000) + ']'.repeat(2_000), /bbox/),
    box(`[${'1,'.repeat(500_000)}1]`, /bbox/),
    box('{"__proto__": [1, 2, 3, 4]}', /bbox/),
    box(`[1, 2, 3, '4'); DROP TABLE ws1_data.good]`, /no JSON list/),
    raw(
      'layers',
      'a number beyond all bounds',
      () => '{"name": 1e400, "workspace": -1e400}',
      /name: .*string/,
    ),
    feature('an id of 400 digits', { job_id: '9'.repeat(400) }, 'published'),
    feature('an id beyond 64 bits', { job_id: 2 ** 80 }, 'published'),
    feature('a negative id', { job_id: -1 }, 'published'),
    task('workspaces', 'auth_level 3', { auth_level: 3 }, /auth_level/),
    task('workspaces', 'auth_level -2', { auth_level: -2 }, /auth_level/),
    task('workspaces', 'auth_level 1.5', { auth_level: 1.5 }, /auth_level/),
    task('workspaces', 'auth_level NaN', { auth_level: 'NaN' }, /auth_level/),
    task('workspaces', 'auth_level in SQL', { auth_level: '2; DROP ROLE person' }, /auth_level/),
    task('workspaces', 'auth_level as an object', { auth_level: { valueOf: 2 } }, /auth_level/),
    task('layers', 'a reference system without end', { crs: `EPSG:${'9'.repeat(300)}` }, /crs/),
    feature(
      'cache times of a text',
      {
        geoserver_setting: {
          create_cache_layer: true,
          client_cache_expire: '1<x>',
          server_cache_expire: -1e300,
        },
      },
      'published',
    ),
    task(
      'wms_stores',
      'limits that are none',
      { geoserver_setting: { max_connections: 1e300, read_timeout: -5, connect_timeout: 'x' } },
      'published',
    ),
  ],
} satisfies HostileClass;
