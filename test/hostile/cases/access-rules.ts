import type { HostileCase, HostileClass } from '../case.js';

const PATH = 'dpaw/layers.properties';

const rules = (title: string, text: string, outcome: RegExp): HostileCase => ({
  title,
  outcome,
  make: () => ({ path: PATH, files: { [PATH]: text } }),
});

export default {
  name: 'access rules',
  cases: [
    rules('a mode that is none', 'mode=OPEN\n*.*.r=*\n', /unknown mode/),
    rules('a rule that is none', '*.*=*\n', /no rule/),
    rules('a path', '../../web.xml=x\n', /no rule/),
    rules(
      'XML',
      '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
      /no rule/,
    ),
    rules('JSON', '{"*.*.r": "*"}', /no rule/),
    rules('a unicode escape that is none', String.raw`\u00zz.x.r=*`, /rule|escape|unicode/i),
    rules('zeros', '\0\0\0', /rule/),
  ],
} satisfies HostileClass;
