import { feature, task, type HostileClass } from '../case.js';

const NO_ADDRESS = /which no address of GeoServer can hold/;

/** SQL in every name: of tables, schemas, workspaces, styles, columns. */
export default {
  name: 'SQL in names',
  cases: [
    feature('a double quote that ends the name', { name: `x" CASCADE--` }, 'published'),
    feature(
      'a double quote and a second statement',
      { name: `x"; DROP TABLE ws1_data.good; --` },
      NO_ADDRESS,
    ),
    feature('a single quote', { name: `x' OR '1'='1` }, 'published'),
    feature('a single quote and a second statement', { name: `x'; DROP SCHEMA ws1 CASCADE; --` }, /";"/),
    feature('dollar quotes', { name: '$$ DROP $$' }, 'published'),
    feature('dollar quotes with a tag', { name: '$body$x$body$' }, 'published'),
    feature('a parameter', { name: '$1' }, 'published'),
    feature('what String.replace takes for a pattern', { workspace: "e$&v$'il$$" }, 'published'),
    feature('a comment to the end of the line', { name: 'x--' }, 'published'),
    feature('a comment in stars', { name: 'x/*' }, NO_ADDRESS),
    feature('a unicode escape', { name: String.raw`U&"\0061"` }, NO_ADDRESS),
    feature('format() of PostgreSQL', { name: '%I.%s' }, NO_ADDRESS),
    feature('a list of columns', { name: 'x(id)' }, 'published'),
    feature('dots', { name: 'ws1_data.good' }, 'published'),
    feature('a quoted qualified name', { name: '"ws1_data"."good"' }, 'published'),
    feature('a reserved word', { name: 'select' }, 'published'),
    feature('upper case and spaces', { name: 'Drop Table Good' }, 'published'),
    feature('other scripts', { name: 'слой-図層-🦘' }, 'published'),
    feature('a letter that looks like one of the good layer', { name: 'gооd' }, 'published'),
    feature('text that runs from right to left', { name: 'x\u202egnp.exe' }, 'published'),
    feature('63 bytes', { name: 'é'.repeat(31) + 'x' }, 'published'),
    feature(
      '64 bytes',
      { name: 'é'.repeat(32), data: { file: 'h:/x.db', md5: '0'.repeat(32) } },
      /longer than 63 bytes/,
    ),
    feature('a data schema with a quote', { name: 'q', data_schema: `evil" CASCADE--` }, 'published'),
    feature(
      'a view schema with a quote',
      { name: 'r', workspace: 'viewer', schema: `evil'"$$` },
      'published',
    ),
    feature('an outdated schema with a quote', { name: 's', outdated_schema: `evil"."old` }, 'published'),
    task(
      'workspaces',
      'a schema that drops another',
      { schema: `x"; DROP SCHEMA ws1 CASCADE; --` },
      NO_ADDRESS,
    ),
    task(
      'workspaces',
      'a schema that is given to everybody',
      { schema: 'x" TO PUBLIC--', sync_geoserver_data: false },
      'published',
    ),
    task(
      'workspaces',
      'a reader role with a quote',
      { schema: `r" SUPERUSER--`, auth_level: 2, sync_geoserver_data: false },
      'published',
    ),
    task(
      'workspaces',
      'a reader role with single quotes',
      { schema: `r' SUPERUSER '`, auth_level: 2, sync_geoserver_data: false },
      'published',
    ),
    task('live_layers', 'a table with SQL', { table: `t"; DROP TABLE ws1_data.good; --` }, NO_ADDRESS),
    task(
      'workspaces',
      'a workspace that is no part of an address',
      { schema: 'y" TO PUBLIC--' },
      /Invalid URI syntax/,
    ),
    task(
      'workspaces',
      'a workspace in the schema of another',
      { workspace: 'ws1' },
      /not the name of its schema/,
    ),
    task('layers', 'a style with SQL', { sync_postgres_data: false, styles: { "x'; DROP": {} } }, NO_ADDRESS),
    task(
      'layers',
      'a style with quotes',
      { sync_postgres_data: false, styles: { "x' DROP--": {} } },
      /table or view/,
    ),
  ],
} satisfies HostileClass;
