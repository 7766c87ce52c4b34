import { task, type HostileCase, type HostileClass, type Outcome } from '../case.js';

const capabilities = (capability_url: unknown, outcome: Outcome): HostileCase =>
  task('wms_stores', `capabilities at ${JSON.stringify(capability_url)}`, { capability_url }, outcome);

const live = (title: string, spec: Record<string, unknown>, outcome: Outcome): HostileCase =>
  task('live_stores', title, spec, outcome);

const NO_HTTP = /capability_url: is no http or https address/;
const NO_HOST = /host: .*(name|address)/;
const NO_DATABASE = /database: /;
const FOREIGN = /on another server, .* and has no passwd/;
const OWN = /belongs to the features/;

const OWN_MACHINE = /capability_url: .* is this machine itself/;
const TWO_WAYS = /capability_url: .* four decimal ones/;

/** What GeoServer is asked to connect to: http and https to any host but this one, which takes ALLOW_LOOPBACK_WMS. */
export default {
  name: 'stores and capabilities',
  cases: [
    capabilities('file:///etc/passwd', NO_HTTP),
    capabilities('FILE:///etc/passwd', NO_HTTP),
    capabilities('ftp://host/x', NO_HTTP),
    capabilities('gopher://127.0.0.1:5432/_x', NO_HTTP),
    capabilities('jar:http://host/x.jar!/y', NO_HTTP),
    capabilities('jndi:ldap://host/x', NO_HTTP),
    capabilities('javascript:alert(1)', NO_HTTP),
    capabilities('data:text/xml,<x/>', NO_HTTP),
    capabilities('//host/x', NO_HTTP),
    capabilities('/etc/passwd', NO_HTTP),
    capabilities('http://', NO_HTTP),
    capabilities('', NO_HTTP),
    capabilities(null, /capability_url/),
    capabilities(['http://a/'], /capability_url/),
    capabilities('http://host/x\nHost: other', NO_HTTP),
    capabilities('http://maps.example.org:9/wms?x=<![CDATA[&y="', 'published'),
    ...[
      'http://127.0.0.1:9/wms',
      'http://127.1.2.3/wms',
      'http://localhost:8080/geoserver/ows',
      'http://localhost./wms',
      'http://LocalHost/wms',
      'http://x.localhost/wms',
      'http://maps.example.org@127.0.0.1/wms',
      'http://maps.example.org:80@localhost/wms',
      'http://0.0.0.0:8080/wms',
      'http://[::1]:9/wms',
      'http://[::]/wms',
      'http://[::ffff:127.0.0.1]/wms',
      'http://[::ffff:a9fe:a9fe]/wms',
      'http://[64:ff9b::7f00:1]/wms',
      'http://[fe80::1]/wms',
      'http://169.254.169.254/latest/meta-data/iam',
    ].map((address) => capabilities(address, OWN_MACHINE)),
    ...[
      'http://2130706433/wms',
      'http://0x7f.0.0.1/wms',
      'http://0177.0.0.1/wms',
      'http://127.1/wms',
      'http://127.0.0.1./wms',
      'http://１２７.0.0.1/wms',
      'http://%31%32%37.0.0.1/wms',
    ].map((address) => capabilities(address, TWO_WAYS)),
    capabilities('http://maps.example.org\\@127.0.0.1/wms', NO_HTTP),
    capabilities('http:127.0.0.1/wms', NO_HTTP),
    capabilities('http:///127.0.0.1/wms', NO_HTTP),
    live('a host that ends the address of the driver', { host: 'h/db?socketFactory=evil&x=' }, NO_HOST),
    live('a host with a fragment', { host: 'h#' }, NO_HOST),
    live('a host in geoserver_setting', { geoserver_setting: { host: 'h/?loggerFile=/tmp/x' } }, /host/),
    live(
      'a database with properties of the driver',
      { database: 'd?socketFactory=org.evil.X&socketFactoryArg=http://h/x' },
      NO_DATABASE,
    ),
    live(
      'a database in geoserver_setting',
      { geoserver_setting: { database: 'd?loggerLevel=TRACE&loggerFile=/tmp/x.jsp' } },
      NO_DATABASE,
    ),
    live('a port with properties of the driver', { port: '5432/x?sslfactory=evil' }, /port/),
    live('a port in geoserver_setting', { geoserver_setting: { port: '5432/x?sslfactory=evil' } }, /port/),
    live('another driver', { dbtype: 'h2', database: 'mem:x;INIT=RUNSCRIPT' }, /dbtype|database/),
    live('another driver in geoserver_setting', { geoserver_setting: { dbtype: 'jndi' } }, /dbtype/),
    live(
      'another file as a parameter',
      { url: 'file:///etc/passwd', jndiReferenceName: 'ldap://h/x' },
      'published',
    ),
    live(
      "a server of the writer's own, which would be given our password",
      { host: 'evil.example.org' },
      FOREIGN,
    ),
    live('the same in geoserver_setting', { geoserver_setting: { host: 'evil.example.org' } }, FOREIGN),
    live("a port of the writer's own on this machine", { port: 9 }, FOREIGN),
    live(
      'another server with a password of its own',
      { host: 'db.example.org', passwd: 'theirs' },
      'published',
    ),
    live('a password that is an object', { passwd: { toString: 'x' } }, 'published'),
    live('the name of the store of the good layer', { workspace: 'ws1', name: 'ws1_ds' }, OWN),
    task(
      'wms_stores',
      'the name of the store of another workspace',
      (_lab, id) => ({ workspace: id, name: `${id}_ds` }),
      OWN,
    ),
    live('no name at all', { name: '' }, /name: "" is empty/),
    task('wms_layers', 'a store that is none', { store: 'ws1_ds', workspace: 'ws1' }, /store/),
    task(
      'live_layers',
      'the good layer, from its own store',
      { workspace: 'ws1', name: 'good', datastore: 'ws1_ds' },
      /publish the same thing/,
    ),
    task(
      'layergroups',
      'the name of the good layer',
      { workspace: 'ws1', name: 'good', layers: [{ type: 'publish', workspace: 'ws1', name: 'other' }] },
      /publish the same thing/,
    ),
    task(
      'layergroups',
      'itself as its member',
      (_lab, id) => ({ layers: [{ type: 'group', workspace: 'evil', name: id }] }),
      /itself|member/,
    ),
  ],
} satisfies HostileClass;
