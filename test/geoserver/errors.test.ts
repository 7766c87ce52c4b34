import { expect } from 'chai';
import { errorOf } from '../../src/geoserver/errors.js';

const html = (title: string): string =>
  `<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>\n<title>${title}</title>\n</head>\n<body><h2>HTTP ERROR</h2></body></html>`;

const error = (status: number, body: string | Buffer, headers: Record<string, string> = {}) =>
  errorOf({ status, body: Buffer.from(body), headers: new Map(Object.entries(headers)) }, 'PUT x');

describe('errors of GeoServer', () => {
  // Bodies as GeoServer 2.26.2 sends them.
  const cases: readonly (readonly [number, string, string, string])[] = [
    [500, "Store 'x' already exists in workspace 'ws'", 'conflict', 'final'],
    [409, html('Error 409 Workspace &apos;x&apos; already exists'), 'conflict', 'final'],
    [500, "Unable to delete layer referenced by layer group 'g'", 'conflict', 'transient'],
    [500, 'Could not find layer nope in the server capabilitiles document', 'missing-at-source', 'remote'],
    [500, 'Server returned HTTP error code 401 for URL http://remote/wms', 'missing-at-source', 'remote'],
    [500, 'Connect to 127.0.0.1:9 [/127.0.0.1] failed: Connection refused', 'connection', 'transient'],
    [404, 'Could not load datastore: ds', 'connection', 'transient'],
    [500, 'Could not load wms store: s', 'connection', 'transient'],
    [500, 'Read timed out', 'connection', 'transient'],
    [500, 'Layer group is in a loop: /gs/gcy/gs', 'conflict', 'final'],
    [
      400,
      html('Error 400 Trying to create new feature type inside the store, but no attributes were specified'),
      'not-published-yet',
      'transient',
    ],
    [500, "Schema 'othernative' does not exist.", 'not-published-yet', 'transient'],
    [500, 'This is unexpected, the layer srs seems to be mis-configured', 'invalid-task-file', 'final'],
    [500, 'Error occurred building feature type', 'invalid-task-file', 'transient'],
    [500, "Invalid URI syntax for 'not a uri' in namespace 'baduri'", 'invalid-task-file', 'final'],
    [
      500,
      'org.xml.sax.SAXParseException; lineNumber: 1; columnNumber: 1; Premature end of file.',
      'invalid-data',
      'final',
    ],
    [404, 'No such data store: ws,ds', 'not-published-yet', 'transient'],
    [404, 'Workspace nope not found', 'not-published-yet', 'transient'],
    [500, '', 'http-status', 'transient'],
    [502, html('502 Bad Gateway'), 'http-status', 'transient'],
    [403, '', 'http-status', 'transient'],
  ];
  for (const [status, body, reason, retry] of cases)
    it(`${status} ${body.slice(0, 60).replaceAll('\n', ' ')} is ${reason}, ${retry}`, () => {
      expect(error(status, body)).to.include({ status, reason, retry });
    });

  it('quotes the words of each kind of page', () => {
    const page =
      '{\n"servlet":"dispatcher",\n"message":"Style &apos;x&apos; already exists.",\n"status":"403"\n}';
    expect(error(403, page).message).to.equal("PUT x: GeoServer answered 403: Style 'x' already exists.");
    expect(error(403, html('Error 403 A &lt;b&gt; &amp;amp;')).message).to.equal(
      'PUT x: GeoServer answered 403: A <b> &amp;',
    );
    expect(error(500, '').message).to.equal('PUT x: GeoServer answered 500');
    expect(error(404, Buffer.from('No such ü', 'latin1')).message).to.include('No such ü');
    const xstream = '\n---- Debugging information ----\ncause-exception     : java.lang.X\ncause-message : y';
    expect(error(500, xstream).message).to.equal(
      'PUT x: GeoServer answered 500: cause-exception     : java.lang.X',
    );
    expect(error(500, 'x'.repeat(9_000)).message.length).to.be.lessThan(600);
  });

  it('tells a wrong password from a store that is not empty', () => {
    const challenge = { 'www-authenticate': 'Basic realm="GeoServer Realm"' };
    expect(error(401, '', challenge))
      .to.have.property('hint')
      .that.includes('GEOSERVER_PASSWORD');
    expect(error(401, '')).to.have.property('hint', undefined);
  });
});
