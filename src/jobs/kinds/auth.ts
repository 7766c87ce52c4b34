import { z } from 'zod';
import { sql } from '../fields.js';
import { defineKind } from '../kind.js';

/** Roles of the cluster, as SQL in parts, each for the database that a `\\connect` line names. */
export default defineKind({
  name: 'auth',
  place: { file: 'slave_roles.sql', within: 'root' },
  skip: 'auth',
  actions: { publish: { schema: z.object({ text: sql }), tasks: ['update_auth'] } },
  identityOf: () => 'auth',
  // The task's name on masters that borgslave-sync has reported to: its row is updated, not doubled.
  nameOf: () => 'postgres and geoserver auth',
  removable: false,
});
