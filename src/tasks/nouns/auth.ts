import type { Job } from '../../jobs/job.js';
import { splitRoleScript } from '../../jobs/role-script.js';
import type { TaskSettings } from '../settings.js';
import type { TaskDefinition } from '../task.js';

/** Runs the parts of `slave_roles.sql`, each in its database; a database that is not allowed stops it before the first. */
const updateAuth: TaskDefinition = {
  type: 'update_auth',
  target: 'database',
  applies: (_job, settings) => !settings.skipDatabase,
  object: () => 'slave_roles.sql',
  inputs: (_job, settings) => [settings.auth.databases, settings.auth.user ?? null],
  async run(job, { database, settings, signal }) {
    const parts = partsOf(job, settings);
    const { user, password } = settings.auth;
    for (const part of parts)
      await database.runScript(
        { ...part, ...(user === undefined ? {} : { credentials: { user, password } }) },
        signal,
      );
    return { output: parts.map((part) => part.database) };
  },
};

function partsOf(job: Job, settings: TaskSettings) {
  return splitRoleScript(String(job.spec['text']), {
    defaultDatabase: settings.store.database,
    allowed: new Set(['postgres', settings.store.database, ...settings.auth.databases]),
  });
}

export default [updateAuth];
