import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { feature, task, type HostileCase, type HostileClass, type Outcome, type Spec } from '../case.js';
import { GOOD } from '../lab.js';

const SAME = /publish the same thing/;

/** A task file whose meta file says these keys; the meta file's win. */
const claimed = (title: string, meta: Spec | string, outcome: Outcome, own: Spec = {}): HostileCase => ({
  title: `a meta file ${title}`,
  outcome,
  make: async (lab, id) => {
    const content =
      typeof meta === 'string' ? meta : JSON.stringify({ workspace: 'evil', name: id, ...meta });
    const path = `dpaw/layers/${id}.json`;
    const file = { action: 'publish', data: lab.goodDump, ...own, meta: await lab.store(content, 'json') };
    return { path, files: { [path]: JSON.stringify(file) } };
  },
});

const schemas = (of: string): Spec => ({
  schema: of,
  data_schema: `${of}_data`,
  outdated_schema: `${of}_outdated`,
});

/** Files that claim what another one publishes: its layer, its table, its view, its removal. */
export default {
  name: 'claims to what others publish',
  cases: [
    feature('the good layer, once more', { workspace: 'ws1', name: 'good', ...schemas('ws1') }, SAME),
    claimed('that names the good layer', { workspace: 'ws1', name: 'good', ...schemas('ws1') }, SAME),
    claimed(
      'that names the good layer, over a task file that does not',
      { workspace: 'ws1', name: 'good', ...schemas('ws1') },
      SAME,
      { workspace: 'evil', name: 'x' },
    ),
    claimed(
      'with another action',
      { action: 'remove', workspace: 'ws1', name: 'good', ...schemas('ws1') },
      SAME,
    ),
    claimed('without a name', { name: null, ...schemas('evil') }, /name/),
    claimed('that is no JSON', 'x', /meta file\): is no valid JSON/),
    claimed('that is a list', '[1]', /meta file\): holds no JSON object/),
    claimed('with a key twice', '{"name":"a","name":"good"}', /meta file\): .*twice/),
    claimed('with __proto__', '{"__proto__":{"name":"good","workspace":"ws1"}}', /name: is missing/),
    claimed(
      'of 10,000 lists in each other',
      `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      /meta file\): .*deeper/,
    ),
    feature(
      'the table of the good layer, in another workspace',
      (lab) => ({ name: 'good', ...schemas('ws1'), data: lab.goodDump }),
      SAME,
    ),
    feature('the view of the good layer over another table', { name: 'good', schema: 'ws1' }, SAME),
    feature(
      'the table of the good layer behind another view',
      (lab) => ({ name: 'good', data_schema: 'ws1_data', data: lab.goodDump }),
      SAME,
    ),
    feature(
      'the table of the good layer as its old table',
      { name: 'good', outdated_schema: 'ws1_data' },
      /another data schema's table|exists|same thing/,
    ),
    feature(
      'its table where the view of the good layer is',
      { name: 'good', data_schema: 'ws1', schema: 'x' },
      /exists|same thing/,
    ),
    task(
      'workspaces',
      'the schemas of another workspace',
      { workspace: 'evil', ...schemas('ws1'), auth_level: 2 },
      /is not the name of its schema/,
    ),
    task(
      'workspaces',
      'the workspace of others, with other schemas',
      { workspace: 'ws1', ...schemas('evil2') },
      /is not the name of its schema/,
    ),
    {
      title: 'the removal of a layer that another file publishes',
      outcome: 'published',
      make: (_lab, id) => {
        const path = `dpaw/layers/${id}.json`;
        const file = { action: 'remove', workspace: 'ws1', name: 'good', ...schemas('ws1') };
        return { path, files: { [path]: JSON.stringify(file) } };
      },
    },
    {
      title: 'the removal of a table under another name',
      outcome: 'published',
      make: (_lab, id) => {
        const path = `dpaw/layers/${id}.json`;
        const file = { action: 'remove', workspace: 'evil', name: 'good', ...schemas('ws1') };
        return { path, files: { [path]: JSON.stringify(file) } };
      },
    },
    {
      title: 'the removal of a store of others',
      outcome: 'published',
      make: (_lab, id) => {
        const path = `dpaw/live_stores/${id}.json`;
        return {
          path,
          files: { [path]: JSON.stringify({ action: 'remove', workspace: 'ws1', name: 'ws1_ds' }) },
        };
      },
    },
    {
      title: 'the removal of a layer of others, as another kind',
      outcome: 'published',
      make: (_lab, id) => {
        const path = `dpaw/live_layers/${id}.json`;
        const file = { action: 'remove', workspace: 'ws1', name: 'good', datastore: 'ws1_ds' };
        return { path, files: { [path]: JSON.stringify(file) } };
      },
    },
    {
      title: 'a copy of the task file of the good layer',
      outcome: SAME,
      make: async (lab, id) => {
        const path = `dpaw/layers/${id}.json`;
        return { path, files: { [path]: await readFile(join(lab.rig.upstream, GOOD)) } };
      },
    },
    {
      title: 'a meta file of another layer as the overlay of a file that is not there',
      outcome: /no .* that it belongs to|x/,
      make: (_lab, id) => {
        const path = `dpaw/layers/${id}.meta.json`;
        return { path, files: { [path]: '{"meta":{"file":"x"}}' } };
      },
    },
  ],
} satisfies HostileClass;
