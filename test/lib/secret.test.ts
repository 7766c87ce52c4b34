import { expect } from 'chai';
import { Redactor, Secret } from '../../src/lib/secret.js';

describe('Redactor', () => {
  it('hides a secret that contains another one as a whole, whichever was known first', () => {
    for (const secrets of [
      ['geoserver1', 'geoserver1-2024!'],
      ['geoserver1-2024!', 'geoserver1'],
    ]) {
      const redactor = new Redactor();
      redactor.add(...secrets.map((secret) => new Secret(secret)));
      expect(redactor.redact('with geoserver1-2024! and geoserver1')).to.equal('with *** and ***');
    }
  });
});
