const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The exact text of bytes that are UTF-8, `undefined` for any others. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes for the eye: ASCII as it is, everything else as `\xNN`. */
export function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}

/** Splits bytes at each NUL; what follows the last one is left out, since every item ends with a NUL. */
export function splitAtNul(bytes: Buffer): Buffer[] {
  const items: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    items.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return items;
}
