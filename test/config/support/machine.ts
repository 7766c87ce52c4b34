import type { Machine } from '../../../src/config/machine.js';

/** A machine on which defaults are known: root, two cores, no `code/` folder. */
export const machine: Machine = {
  hostName: 'slave.example',
  cores: 2,
  isRoot: true,
  home: '/root',
  hasCodeFolder: () => false,
};
