import type { FilterName } from '../../jobs/kind.js';
import { messageOf } from '../../lib/errors.js';
import { filterView } from '../../tasks/filter-view.js';
import type { HydratedFile } from '../../tasks/hydrate.js';
import { oneLine, type Check, type Finding, type Surroundings } from '../check.js';
import type { Desired } from '../desired.js';

/** How many task files each filter takes, as far as their meta files are here. */
export const filters: Check = {
  name: 'filters',
  run: ({ config, desired }) => {
    if (desired === undefined)
      return Promise.resolve<Finding>({
        name: 'filters',
        state: 'skipped',
        message: 'the repository cannot be read',
      });
    const names = Object.keys(config.filters) as FilterName[];
    return Promise.resolve(names.map((name) => look(name, config.filters[name], desired)));
  },
};

function look(
  name: FilterName,
  setting: Surroundings['config']['filters'][FilterName],
  desired: Desired,
): Finding {
  const { variable } = setting;
  const asked = desired.ready.flatMap(({ file, merged }: HydratedFile) => {
    const job = file.location.kind.filter === name ? filterView(file, merged) : undefined;
    return job === undefined ? [] : [{ file, job }];
  });
  const unknown = desired.files.filter(
    (file) => file.location.kind.filter === name && desired.unknown.includes(file.path),
  ).length;
  const later = unknown === 0 ? '' : `; ${unknown} more when their meta files have been fetched`;
  if (asked.length === 0)
    return {
      name: variable,
      state: 'skipped',
      message: unknown === 0 ? 'no task file for it' : `no task file can be judged yet${later}`,
      hint: unknown === 0 ? undefined : '`slave-sync filter test` fetches them and shows what is taken.',
    };
  let taken = 0;
  for (const { file, job } of asked) {
    try {
      if (setting.filter.accepts(job)) taken += 1;
    } catch (error) {
      return {
        name: variable,
        state: 'failed',
        message: oneLine(`fails for ${file.path}: ${messageOf(error)}`),
        hint: `Change ${variable}; \`slave-sync filter test\` tries it.`,
      };
    }
  }
  const message = `takes ${taken} of ${asked.length}${later}`;
  if (taken > 0) return { name: variable, state: 'ok', message };
  return {
    name: variable,
    state: 'warning',
    message: `${message}: ${setting.isDefault ? 'the default ' : ''}${setting.source}`,
    hint: '`slave-sync filter test` says why. Newer masters write auth_level, not allow_authenticated.',
  };
}
