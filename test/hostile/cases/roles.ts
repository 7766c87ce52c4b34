import { feature, task, type HostileCase, type HostileClass, type Outcome } from '../case.js';

const reader = (role: string, outcome: Outcome): HostileCase =>
  task('workspaces', `a reader role ${role}`, { schema: role, auth_level: 2 }, outcome);

const schema = (title: string, spec: Record<string, unknown>, outcome: Outcome): HostileCase =>
  feature(title, (lab) => ({ ...spec, data: lab.goodDump }), outcome);

const RESERVED = /is reserved/;

/** Roles and schemas that are not the slave's to give or to take. */
export default {
  name: 'roles and schemas of others',
  cases: [
    reader('postgres', /can't have a reader role|more than a reader/),
    reader('administrator', /more than a reader/),
    reader('sso_access', /can't have a reader role/),
    reader('public', /can't have a reader role|reserved/),
    reader('none', /can't have a reader role/),
    reader('pg_read_all_data', RESERVED),
    reader('pg_execute_server_program', RESERVED),
    reader('PUBLIC', 'published'),
    reader('current_user', 'published'),
    task('workspaces', 'the catalog as its schema', { schema: 'pg_catalog' }, RESERVED),
    task('workspaces', 'the catalog for its data', { data_schema: 'pg_toast' }, RESERVED),
    task('workspaces', 'the temporary schema', { outdated_schema: 'pg_temp' }, RESERVED),
    task('workspaces', 'the information schema', { schema: 'information_schema' }, RESERVED),
    task('workspaces', 'the schema of the bookkeeping', { data_schema: 'borg_slave' }, RESERVED),
    task(
      'workspaces',
      'one schema for everything',
      { schema: 'x', data_schema: 'x', outdated_schema: 'x' },
      /different/,
    ),
    schema('its table in the catalog', { data_schema: 'pg_catalog', name: 'pg_authid' }, RESERVED),
    schema('its view over the catalog', { schema: 'information_schema', name: 'tables' }, RESERVED),
    schema('its view over the bookkeeping', { schema: 'borg_slave', name: 'layer' }, RESERVED),
    schema('the table of PostGIS', { data_schema: 'public', name: 'spatial_ref_sys' }, RESERVED),
    feature(
      'a view of PostGIS',
      { schema: 'public', data_schema: 'evil_data', name: 'geometry_columns' },
      RESERVED,
    ),
    feature(
      'a table of the operator as its table',
      { workspace: 'evil1', schema: 'evil1', data_schema: 'operators', name: 'mine' },
      /exists/,
    ),
    feature(
      'a table of the operator as its old table',
      {
        workspace: 'evil2',
        schema: 'evil2',
        data_schema: 'evil2_data',
        outdated_schema: 'operators',
        name: 'canary',
      },
      /exists/,
    ),
    feature(
      'a table of the operator as its view',
      { workspace: 'evil3', schema: 'operators', data_schema: 'evil3_data', name: 'canary' },
      /exists and is a table/,
    ),
    feature(
      'the table `canary` in public',
      { workspace: 'evil4', schema: 'evil4', data_schema: 'public', name: 'canary' },
      RESERVED,
    ),
  ],
} satisfies HostileClass;
