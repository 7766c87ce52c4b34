import { AgentError } from '../lib/errors.js';
import { parseXml, type XmlElement } from './xml.js';

export interface Sld {
  readonly version: '1.0.0' | '1.1.0';
  /** UTF-8 without a byte order mark. */
  readonly bytes: Buffer;
}

const NAMESPACE = 'http://www.opengis.net/sld';
const MAX_BYTES = 5 * 1024 * 1024;

/**
 * Checks an SLD file as GeoServer does not, and brings it into the one form that GeoServer draws without trouble:
 * UTF-8, no byte order mark. Whatever was in UTF-8 stays as it is, byte for byte.
 * Throws AgentError('invalid-data', final) when it is no well-formed XML, has a DOCTYPE or entities of its own (they
 * could read files of the server), or is no StyledLayerDescriptor of version 1.0.0 or 1.1.0.
 */
export function prepareSld(file: Uint8Array, name: string): Sld {
  const refuse = (why: string): never => {
    throw new AgentError('invalid-data', `the style ${name} is no SLD: ${why}`, {
      retry: 'final',
      hint: 'Mend the style on the master.',
    });
  };
  if (file.length > MAX_BYTES) refuse(`it has more than ${MAX_BYTES} bytes`);
  const text = decode(file, refuse);
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) refuse('it has a DOCTYPE');
  const root = parse(text, refuse);
  if (root.name !== 'StyledLayerDescriptor' || root.namespace !== NAMESPACE)
    refuse(`its root is ${root.name}, in the namespace ${root.namespace || '(none)'}`);
  const version = root.attributes.get('version') ?? '1.0.0';
  if (version !== '1.0.0' && version !== '1.1.0') return refuse(`its version is ${version}`);
  return { version, bytes: Buffer.from(text, 'utf8') };
}

function parse(text: string, refuse: (why: string) => never): XmlElement {
  try {
    return parseXml(text);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const DECLARATION = /^<\?xml\s[^>]*?\bencoding\s*=\s*(["'])([A-Za-z][\w.-]*)\1/;

/** The text of the file by its byte order mark, else its XML declaration, else UTF-8. */
function decode(file: Uint8Array, refuse: (why: string) => never): string {
  const bytes = Buffer.from(file);
  const declared = DECLARATION.exec(bytes.subarray(0, 200).toString('latin1'))?.[2];
  const encoding = markOf(bytes) ?? declared ?? 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return refuse(`its bytes are not in ${encoding}`);
  }
  // The declaration has to tell the truth about what is sent.
  return text.replace(DECLARATION, (whole, _quote, label: string) =>
    /^utf-?8$/i.test(label) ? whole : whole.replace(label, 'UTF-8'),
  );
}

function markOf(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined;
}
