import { feature, task, type HostileCase, type HostileClass, type Outcome } from '../case.js';

const SLASH = /which no address of GeoServer can hold/;

const named = (name: string, outcome: Outcome): HostileCase =>
  feature(`a layer ${JSON.stringify(name)}`, { name }, outcome);

/** Names that would mean something else in an address of GeoServer. */
export default {
  name: 'addresses in names',
  cases: [
    named('..%2f..%2fworkspaces%2fws1', /is or has|has a/),
    named('%2e%2e', SLASH),
    named('x%00', SLASH),
    named('x?recurse=true', 'published'),
    named('x&purge=all', 'published'),
    named('x#fragment', 'published'),
    named('x;jsessionid=1', /has a ";"/),
    named('x.json', 'published'),
    named('x.xml', 'published'),
    named('x.html', 'published'),
    named('good.json', 'published'),
    named('ws1:good', /":"/),
    named('*', 'published'),
    named('a,b', 'published'),
    named('a+b c', 'published'),
    named('a=b&c', 'published'),
    named('@host', 'published'),
    named('[::1]', /":"/),
    named('http://127.0.0.1/x', SLASH),
    named('x\\y', SLASH),
    named('\u2025', 'published'),
    named('\uff0e\uff0e\uff0fx', 'published'),
    named('x\u0338', 'published'),
    feature('a workspace with a colon', { workspace: 'ws1:good' }, /":"/),
    feature('a workspace with a query', { workspace: 'evil?recurse=true' }, 'published'),
    feature('a workspace with a session', { workspace: 'evil;x' }, /";"/),
    feature('the workspace `default`', { workspace: 'default' }, /default|reserved/),
    task('workspaces', 'a workspace named `default.json`', { schema: 'default.json' }, 'published'),
    task(
      'layergroups',
      'a group named like an address',
      { workspace: 'ws1', name: '?recurse=true' },
      'published',
    ),
    task('live_stores', 'a store named like an address', { name: 'x?recurse=true#' }, 'published'),
    task('wms_stores', 'a store with a colon', { name: 'ws1:good' }, /":"/),
  ],
} satisfies HostileClass;
