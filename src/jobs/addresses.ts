import { BlockList, isIPv4 } from 'node:net';

/**
 * Addresses of web servers in task files. GeoServer reads them again, in Java, by rules that differ from those of URL here
 * (a `\` is part of a name there and a `/` here, `0177.0.0.1` is decimal there and octal here): what could be read in two
 * ways is refused, so that what is checked is what is asked.
 */

const AUTHORITY = /^https?:\/\/(?:[^/?#@]*@)?([^/?#@]+?)(?::\d*)?(?=[/?#]|$)/i;

/** Why this is no address of a web server that everybody reads alike; undefined when it is. */
export function webAddressProblem(address: string): string | undefined {
  const host = AUTHORITY.exec(address)?.[1];
  if (host === undefined || /[\p{Cc}\s\\]/u.test(address) || !URL.canParse(address))
    return 'is no http or https address';
  const { hostname } = new URL(address);
  return isIPv4(hostname) && host !== hostname
    ? 'has a number for its host that is not written as four decimal ones'
    : undefined;
}

/** Of this machine, and link-local: also where clouds tell a machine its credentials (169.254.169.254, fd00:ec2::254). */
const OWN_IPV4 = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const;
const OWN_IPV6 = [
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
] as const;
/** Prefixes of IPv6 behind which an IPv4 address stands: mapped, compatible, NAT64, 6to4. */
const CARRIERS = [
  ['::ffff:', 96],
  ['::', 96],
  ['64:ff9b::', 96],
  ['2002:', 16],
] as const;

const OWN = new BlockList();
for (const [net, bits] of OWN_IPV4) {
  OWN.addSubnet(net, bits, 'ipv4');
  const [a = 0, b = 0, c = 0, d = 0] = net.split('.').map(Number);
  const groups = [a * 256 + b, c * 256 + d].map((group) => group.toString(16));
  for (const [prefix, length] of CARRIERS)
    OWN.addSubnet(
      length === 16 ? `${prefix}${groups.join(':')}::` : `${prefix}${groups.join(':')}`,
      length + bits,
      'ipv6',
    );
}
for (const [net, bits] of OWN_IPV6) OWN.addSubnet(net, bits, 'ipv6');

const OWN_NAME = /^(?:.*\.)?(?:localhost|localhost6?\.localdomain6?|ip6-localhost|ip6-loopback)$/;

/**
 * True when the address, one without `webAddressProblem`, is of the machine that asks or of its link. Names are not looked
 * up: what stands behind them can change between the look and the use.
 */
export function isOwnMachine(address: string): boolean {
  const host = new URL(address).hostname.replace(/\.+$/, '');
  if (host.startsWith('[')) return OWN.check(host.slice(1, -1), 'ipv6');
  return isIPv4(host) ? OWN.check(host, 'ipv4') : OWN_NAME.test(host);
}
