import { z } from 'zod';
import { defineKind } from '../kind.js';

/** GeoServer's layer security, one file for the whole server. */
export default defineKind({
  name: 'access_rules',
  place: { file: 'layers.properties', within: 'channel' },
  skip: 'rules',
  actions: {
    publish: { schema: z.object({ text: z.string() }), tasks: ['update_access_rules', 'refresh_replicas'] },
  },
  identityOf: () => 'access_rules',
  // The task's name on masters that borgslave-sync has reported to: its row is updated, not doubled.
  nameOf: () => 'geoserver access rules',
  removable: false,
});
