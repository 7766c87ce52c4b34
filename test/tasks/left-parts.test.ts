import { expect } from 'chai';
import type { TaskRecord } from '../../src/state/records.js';
import { leftParts, prunableParts } from '../../src/tasks/left-parts.js';
import { definition, definitions } from './fixtures.js';

const known = definitions(
  definition('fetch'),
  definition('restore', { target: 'database' }),
  definition('publish', { target: 'geoserver' }),
);

const record = (type: string, action = 'publish'): TaskRecord => ({
  ...{ path: 'dpaw/layers/x.json', action, type, object: 'x', target: type, fingerprint: 'f' },
  ...{ state: 'done', output: undefined, failure: undefined },
  ...{ startedAt: new Date(0), finishedAt: new Date(0) },
});

const BOTH = [record('fetch'), record('restore'), record('publish')];

describe('parts that SKIP_DB and SKIP_GS let go of', () => {
  for (const [what, records, skip, left, prunable] of [
    ['nothing is skipped', BOTH, '', undefined, undefined],
    ['the layer, not its table', BOTH, 'gs', 'layers', 'layers'],
    ['the table, which the layer keeps', BOTH, 'db', 'tables', undefined],
    ['a table without a layer', [record('restore')], 'db', 'tables', 'tables'],
    ['both', BOTH, 'db gs', 'tables layers', 'tables layers'],
    ['what was never applied', [record('fetch')], 'db gs', undefined, undefined],
    ['what is removed', [record('publish', 'remove')], 'gs', undefined, undefined],
  ] as const)
    it(what, () => {
      const skipped = { db: skip.includes('db'), gs: skip.includes('gs') };
      const shown = (parts: ReturnType<typeof leftParts>): string | undefined =>
        parts && [...(parts.tables ? ['tables'] : []), ...(parts.layers ? ['layers'] : [])].join(' ');
      expect(shown(leftParts(records, skipped, known))).to.equal(left);
      expect(shown(prunableParts(records, skipped, known))).to.equal(prunable);
    });
});
