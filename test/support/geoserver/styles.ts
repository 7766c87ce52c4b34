import { parseXml } from '../../../src/geoserver/xml.js';
import type { Catalog, Style } from './catalog.js';
import { created, json, ok, RestException, SendError, type Reply } from './replies.js';
import type { Call, Router } from './router.js';

const STYLES = '/rest/workspaces/:ws/styles';
const SLD10 = 'application/vnd.ogc.sld+xml';
const SLD11 = 'application/vnd.ogc.se+xml';

/** Only raw uploads, which are stored whatever they are. */
export function styles(router: Router, catalog: Catalog): void {
  router.on('POST', STYLES, (call) => {
    const [ws = ''] = call.names;
    const workspace = catalog.workspace(ws, `Workspace ${ws} not found`);
    const name = call.query.get('name') ?? 'Default Styler';
    const type = call.headers['content-type'] ?? '';
    if (type === 'application/xml') throw new RestException(500, 'StyledLayerDescriptor');
    if (type !== SLD10 && type !== SLD11)
      throw new RestException(500, `No such style handler: format = ${type}`);
    if (workspace.styles.has(name)) throw new SendError(403, `Style ${name} already exists.`);
    refuseMalformed(call.body);
    if (type === SLD11 && versionOf(call.body) === '1.0.0')
      throw new RestException(
        500,
        'java.lang.RuntimeException: Parsing failed for UserStyle: ClassCastException',
      );
    // At creation the version is believed; at a later write it is read from the body.
    workspace.styles.set(name, { version: type === SLD11 ? '1.1.0' : '1.0.0', bytes: call.body });
    return created(name);
  });

  router.on('GET', `${STYLES}/:style`, (call) => read(catalog, call));

  router.on('PUT', `${STYLES}/:style`, (call) => {
    const [ws = '', name = ''] = call.names;
    const workspace = catalog.workspaces.get(ws);
    const style = workspace?.styles.get(name);
    if (workspace === undefined || style === undefined) throw new SendError(400, 'no such style');
    style.bytes = call.body;
    style.version = versionOf(call.body);
    catalog.truncateUsersOf(workspace, name);
    return ok();
  });

  router.on('DELETE', `${STYLES}/:style`, ({ names: [ws = '', name = ''], query }) => {
    const workspace = catalog.workspaces.get(ws);
    if (workspace?.styles.has(name) !== true) throw new RestException(404, `Style ${name} not found`);
    const qualified = `${ws}:${name}`;
    const users = [...workspace.resources.values()].map((resource) => resource.layer);
    if (query.get('recurse') !== 'true' && users.some((layer) => layer.defaultStyle === qualified))
      throw new SendError(403, 'style in use');
    catalog.truncateUsersOf(workspace, name);
    for (const layer of users) {
      layer.styles = layer.styles.filter((style) => style !== qualified);
      if (layer.defaultStyle === qualified) layer.defaultStyle = layer.styles[0] ?? 'polygon';
    }
    workspace.styles.delete(name);
    return ok();
  });
}

/** The extension decides the form, if it is a known one, else the Accept header. */
function read(catalog: Catalog, { names: [ws = '', name = ''], extension, headers }: Call): Reply {
  const style = catalog.workspaces.get(ws)?.styles.get(name);
  if (style === undefined) throw new RestException(404, `No such style ${name} in workspace ${ws}`);
  if (extension === 'json')
    return json({
      style: { name, format: 'sld', languageVersion: { version: style.version }, filename: `${name}.sld` },
    });
  const wanted = extension !== 'sld' && headers['accept'] === SLD11 ? '1.1.0' : '1.0.0';
  return {
    status: 200,
    type: wanted === '1.1.0' ? SLD11 : SLD10,
    body: wanted === style.version ? style.bytes : converted(style),
  };
}

/** Not the stored bytes: that is all that matters of a conversion. */
function converted(style: Style): Buffer {
  return Buffer.concat([Buffer.from('<!-- converted -->'), style.bytes]);
}

function versionOf(body: Buffer): Style['version'] {
  return body.includes('version="1.1.0"') ? '1.1.0' : '1.0.0';
}

/** Malformed XML is refused at creation only. */
function refuseMalformed(body: Buffer): void {
  try {
    // A byte order mark is malformed to GeoServer.
    parseXml(body[0] === 0xef ? '' : body.toString('utf8'));
  } catch {
    throw new RestException(500, 'org.xml.sax.SAXParseException; lineNumber: 1; columnNumber: 1; Malformed.');
  }
}
