import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/**
 * GeoServer returns a password encrypted anew at each read, so a store keeps a salted hash of its wanted state in its
 * own metadata, below this key; it survives restarts of both sides.
 */
export const MARKER = 'slave-sync.hash';

const KEY_BYTES = 32;
const derive = promisify<string, Buffer, number, Buffer>(scrypt);

/** A new marker of this text, with a fresh salt. */
export async function makeMarker(secret: string): Promise<string> {
  const salt = randomBytes(16);
  return `${salt.toString('hex')}:${(await derive(secret, salt, KEY_BYTES)).toString('hex')}`;
}

/** Whether the marker was made of this text. */
export async function fitsMarker(marker: string | undefined, secret: string): Promise<boolean> {
  const [salt = '', hash = ''] = (marker ?? '').split(':');
  if (hash.length !== KEY_BYTES * 2) return false;
  const actual = await derive(secret, Buffer.from(salt, 'hex'), KEY_BYTES);
  return timingSafeEqual(actual, Buffer.from(hash, 'hex').subarray(0, KEY_BYTES));
}
