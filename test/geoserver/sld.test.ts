import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { prepareSld } from '../../src/geoserver/sld.js';

const ROOT = 'xmlns="http://www.opengis.net/sld"';
const sld = (inside = '<NamedLayer/>', attributes = `${ROOT} version="1.0.0"`, head = ''): string =>
  `${head}<StyledLayerDescriptor ${attributes}>${inside}</StyledLayerDescriptor>`;

function refusal(file: string | Uint8Array): string {
  try {
    prepareSld(typeof file === 'string' ? Buffer.from(file) : file, 'parks.day');
  } catch (error) {
    expect(error).to.be.instanceOf(AgentError);
    expect(error).to.include({ reason: 'invalid-data', retry: 'final' });
    return (error as AgentError).message;
  }
  throw new Error('expected a refusal');
}

describe('sld', () => {
  it('takes the version from the root', () => {
    const prepare = (attributes: string) => prepareSld(Buffer.from(sld('', attributes)), 's').version;
    expect(prepare(`${ROOT} version="1.0.0"`)).to.equal('1.0.0');
    expect(prepare(`version='1.1.0' ${ROOT}`)).to.equal('1.1.0');
    expect(prepare(ROOT)).to.equal('1.0.0');
  });

  it('takes a prefixed root, and is not led astray by comments', () => {
    const text = `<!-- version="1.1.0" --><s:StyledLayerDescriptor xmlns:s="http://www.opengis.net/sld" version="1.0.0"/>`;
    expect(prepareSld(Buffer.from(text), 's').version).to.equal('1.0.0');
  });

  it('leaves UTF-8 as it is, byte for byte', () => {
    const text = sld(
      '<NamedLayer><Name>Größe &amp; 字</Name></NamedLayer>\r\n',
      undefined,
      '<?xml version="1.0" encoding="utf-8"?>\n',
    );
    expect(prepareSld(Buffer.from(text), 's').bytes.toString('utf8')).to.equal(text);
  });

  it('takes byte order marks off and other encodings into UTF-8', () => {
    const declared = (encoding: string) =>
      sld('<Name>ü</Name>', undefined, `<?xml version='1.0' encoding='${encoding}'?>`);
    const expected = declared('UTF-8');
    const prepared = (bytes: Buffer) => prepareSld(bytes, 's').bytes.toString('utf8');
    expect(prepared(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(expected)]))).to.equal(
      expected,
    );
    expect(prepared(Buffer.from(declared('ISO-8859-1'), 'latin1'))).to.equal(expected);
    const wide = Buffer.from(declared('UTF-16'), 'utf16le');
    expect(prepared(Buffer.concat([Buffer.from([0xff, 0xfe]), wide]))).to.equal(expected);
    expect(prepared(Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(wide).swap16()]))).to.equal(
      expected,
    );
  });

  const refused: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['nothing', '', 'root'],
    ['no XML', 'hello', 'parks.day'],
    ['a cut file', sld().slice(0, -5), 'unclosed'],
    ['another root', '<foo/>', 'its root is foo'],
    ['another namespace', sld('', 'xmlns="http://example.org" version="1.0.0"'), 'http://example.org'],
    ['no namespace', sld('', 'version="1.0.0"'), '(none)'],
    ['an unknown version', sld('', `${ROOT} version="2.0"`), 'its version is 2.0'],
    ['two roots', `${sld()}${sld()}`, ''],
    ['a prefix without namespace', sld('<se:Rule/>'), 'se'],
    ['an attribute twice', sld('<Name a="1" a="2"/>'), 'duplicate'],
    ['an entity of its own', sld('<Name>&nbsp;</Name>'), 'entity'],
    ['a control character', sld('<Name>\u0001</Name>'), 'character'],
    [
      'external entities',
      `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${sld('<Name>&e;</Name>')}`,
      'DOCTYPE',
    ],
    [
      'a billion laughs',
      `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>${sld('<Name>&b;</Name>')}`,
      'DOCTYPE',
    ],
    ['a document type in other letters', `<!doctype x>${sld()}`, 'DOCTYPE'],
    [
      'bytes that are not in the declared encoding',
      Buffer.from(sld('<Name>ü</Name>'), 'latin1'),
      'not in utf-8',
    ],
    [
      'an encoding that does not exist',
      sld('', undefined, '<?xml version="1.0" encoding="klingon"?>'),
      'klingon',
    ],
    ['deep nesting', sld('<a>'.repeat(100_000) + '</a>'.repeat(100_000)), 'deeper than 200'],
    ['a huge file', Buffer.alloc(6 * 1024 * 1024, 0x20), 'bytes'],
  ];
  for (const [what, file, words] of refused)
    it(`refuses ${what}`, () => {
      const message = refusal(file);
      expect(message).to.include('the style parks.day is no SLD');
      expect(message).to.include(words);
    });
});
