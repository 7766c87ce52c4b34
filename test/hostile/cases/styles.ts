import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { styleFile } from '../../e2e/master.js';
import { feature, type HostileCase, type HostileClass } from '../case.js';
import type { Lab } from '../lab.js';

const DESCRIPTOR = '<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld">';
const body = (inner: string): string =>
  `${DESCRIPTOR}<NamedLayer><Name>${inner}</Name></NamedLayer></StyledLayerDescriptor>`;
const laughs = Array.from({ length: 12 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('');

/** A layer with this file as its style; nothing of the file may come to GeoServer. */
function sld(title: string, content: (lab: Lab) => string | Buffer, why: RegExp): HostileCase {
  return {
    title: `style: ${title}`,
    outcome: why,
    make: async (lab, id) => {
      const style = await lab.store(content(lab), 'sld');
      const made = await feature('', { styles: { builtin: { ...style, default: true } } }, why).make(lab, id);
      const check = (): Promise<void> => {
        const sent = lab.rig.geoserver.standIn?.requests.filter(({ path }) => path.includes(id)) ?? [];
        expect(sent.filter(({ method, path }) => method !== 'GET' && path.includes('/styles'))).to.deep.equal(
          [],
        );
        expect(JSON.stringify(sent)).not.to.include('SECRET-OF-SOMEBODY-ELSE');
        return Promise.resolve();
      };
      return { ...made, check };
    },
  };
}

const good = async (): Promise<string> => readFile(await styleFile('#00ff00'), 'utf8');

/** Entities, inclusions and other XML that reads files, grows without end, or is no style. */
export default {
  name: 'XML and SLD',
  cases: [
    sld(
      'an external entity',
      (lab) => `<!DOCTYPE x [<!ENTITY e SYSTEM "file://${lab.canary}/secret">]>${body('&e;')}`,
      /DOCTYPE/,
    ),
    sld(
      'an external entity over http',
      () => `<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]>${body('&e;')}`,
      /DOCTYPE/,
    ),
    sld(
      'a parameter entity',
      () => `<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>${body('x')}`,
      /DOCTYPE/,
    ),
    sld('a billion laughs', () => `<!DOCTYPE x [<!ENTITY l0 "ha">${laughs}]>${body('&l12;')}`, /DOCTYPE/),
    sld(
      'quadratic growth',
      () => `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(50_000)}">]>${body('&a;'.repeat(1_000))}`,
      /DOCTYPE/,
    ),
    sld('an external subset', () => `<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">${body('x')}`, /DOCTYPE/),
    sld(
      'a DOCTYPE in UTF-16',
      () =>
        Buffer.from(`\ufeff<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${body('&e;')}`, 'utf16le'),
      /DOCTYPE/,
    ),
    sld(
      'a DOCTYPE in UTF-7',
      () =>
        `<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x [+ADwAIQ-ENTITY e SYSTEM "file:///etc/passwd"+AD4AXQA+-${body('x')}`,
      /not in UTF-7|no SLD/,
    ),
    sld('an entity that nobody declared', () => body('&e;'), /no SLD/),
    sld(
      'XInclude as its root',
      (lab) =>
        `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="file://${lab.canary}/secret"/>`,
      /its root is include/,
    ),
    sld('depth', () => body('<a>'.repeat(100_000)), /deeper/),
    sld('no XML', () => 'body { background: red }', /no SLD/),
    sld(
      'an HTML page',
      () => '<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
      /its root is html/,
    ),
    sld('two roots', () => body('x') + body('y'), /no SLD/),
    sld('a NUL', () => body('x\0y'), /no SLD/),
    sld(
      'bytes that are no UTF-8',
      () => Buffer.concat([Buffer.from(body('x')), Buffer.from([0xff, 0xfe, 0xc0])]),
      /bytes are not in/,
    ),
    sld('more than 5 MB', () => body('x'.repeat(6 * 1024 * 1024)), /more than 5242880 bytes/),
    sld('nothing', () => '', /no SLD/),
    {
      title: 'style: XML in its name',
      outcome: 'published',
      make: async (lab, id) => {
        const style = await lab.store(await good(), 'sld');
        return feature('', { styles: { '"><script>': style } }, 'published').make(lab, id);
      },
    },
    feature(
      'markup in title, abstract and keywords',
      {
        title: '</title><script>alert(1)</script>]]><!DOCTYPE x>',
        abstract: '&xxe; <!ENTITY e SYSTEM "file:///etc/passwd"> <![CDATA[',
        keywords: ['</string></keywords><enabled>false</enabled>', '&lt;&#0;'],
      },
      'published',
    ),
    feature('markup in its name', { name: '<a href="x">&' }, 'published'),
    feature('an entity in its name', { name: '&lt;' }, /has a ";"/),
    feature(
      'control characters in texts',
      { title: 'a\u0000b\u0008c', abstract: 'd\u001be\ufffff\ufffe', keywords: ['g\u0001'] },
      'published',
    ),
  ],
} satisfies HostileClass;
