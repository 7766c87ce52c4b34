import { expect } from 'chai';
import { isOwnMachine, webAddressProblem } from '../../src/jobs/addresses.js';

const ORDINARY = [
  'http://maps.example.org/wms?service=WMS&request=GetCapabilities',
  'https://user:pass@maps.example.org:8443/wms',
  'HTTPS://MAPS.EXAMPLE.ORG/wms',
  'http://10.1.2.3:8080/geoserver/ows?x=@127.0.0.1',
  'http://192.168.0.1/#@localhost',
  'http://[2001:db8::1]/wms',
  'http://[::ffff:10.0.0.1]/wms',
  'http://[64:ff9b::10.0.0.1]/wms',
  'http://[2002:a00:1::]/wms',
  'http://127.example.org/',
  'http://localhost.example.org/',
  'http://mylocalhost/',
];

const OWN = [
  'http://127.0.0.1:8081/geoserver/ows',
  'http://127.255.255.254/',
  'http://user:pass@127.0.0.1/',
  'http://maps.example.org@127.0.0.1/',
  'http://0.0.0.0/',
  'http://0.1.2.3/',
  'http://169.254.169.254/latest/meta-data/',
  'http://localhost/',
  'http://LOCALHOST:8080/',
  'http://localhost./',
  'http://localhost../',
  'http://x@localhost:80/',
  'http://a.localhost/',
  'http://localhost.localdomain/',
  'http://localhost6.localdomain6/',
  'http://ip6-localhost/',
  'http://[::1]/',
  'http://[0:0:0:0:0:0:0:1]:8080/',
  'http://[::]/',
  'http://[fe80::1]/',
  'http://[febf::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[::ffff:169.254.169.254]/',
  'http://[::127.0.0.1]/',
  'http://[64:ff9b::127.0.0.1]/',
  'http://[2002:7f00:1::]/',
  'http://[2002:a9fe:a9fe::1]/',
];

const NO_WEB = [
  'file:///etc/passwd',
  'FILE:///etc/passwd',
  'jar:http://h/x.jar!/y',
  'ftp://h/x',
  '//h/x',
  'http:127.0.0.1/',
  'http:/127.0.0.1/',
  'http:///127.0.0.1/',
  'http://',
  'http://a@b@127.0.0.1/',
  'http://maps.example.org\\@127.0.0.1/',
  'http:\\\\127.0.0.1\\',
  'http://h/x\ny',
  ' http://h/',
  'http://[fe80::1%25eth0]/',
  'http://[::1/',
  'http://256.1.1.1/',
];

const TWO_WAYS = [
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://127.1/',
  'http://127.0.0.1./',
  'http://0177.0.0.1/',
  'http://0127.0.0.1/',
  'http://127.0.0.01/',
  'http://10.1/',
  'http://%31%32%37.0.0.1/',
  'http://１２７.0.0.1/',
  'http://127。0。0。1/',
  'http://user@2130706433:8080/',
];

describe('addresses of web servers', () => {
  for (const address of ORDINARY)
    it(`takes ${address}`, () => {
      expect([webAddressProblem(address), isOwnMachine(address)]).to.deep.equal([undefined, false]);
    });
  for (const address of OWN)
    it(`knows the own machine in ${address}`, () => {
      expect([webAddressProblem(address), isOwnMachine(address)]).to.deep.equal([undefined, true]);
    });
  for (const address of NO_WEB)
    it(`refuses ${JSON.stringify(address)}`, () => {
      expect(webAddressProblem(address)).to.equal('is no http or https address');
    });
  for (const address of TWO_WAYS)
    it(`refuses ${address}, which others may read in another way`, () => {
      expect(webAddressProblem(address)).to.match(/four decimal ones/);
    });
});
