import type { Check, Finding } from '../check.js';

/** What reading the settings found worth a warning: a file that others can read, a value that was cut, half a group. */
export const settings: Check = {
  name: 'settings',
  run: ({ config }) => {
    const name = 'settings';
    const count = [...config.settings.values()].filter(({ source }) => source !== 'default').length;
    const good: Finding = { name, state: 'ok', message: `${count} set, the others have their defaults` };
    const warnings = config.warnings.map((message): Finding => ({ name, state: 'warning', message }));
    return Promise.resolve(warnings.length > 0 ? warnings : good);
  },
};
