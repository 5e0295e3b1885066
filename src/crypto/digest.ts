import { hash } from 'node:crypto';

/** SHA-256, lower-case hex: what `sha256sum` prints. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex');
}

const blockBytes = 64;

/**
 * HMAC-SHA-256 (RFC 2104), lower-case hex. For digests whose content must not be guessable without `key`, of at most 64 bytes.
 * Written out on the one-shot hash: `createHmac` makes a key object at each call, 26 µs against 4 µs for 1.5 kB.
 */
export function hmacSha256Hex(key: Uint8Array, data: Uint8Array | string): string {
  if (key.length > blockBytes) throw new RangeError(`an HMAC key of ${key.length} bytes is longer than a block`);
  const content = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  const inner = Buffer.alloc(blockBytes + content.length, 0);
  const outer = Buffer.alloc(blockBytes + 32, 0);
  for (let i = 0; i < blockBytes; i++) {
    inner[i] = (key[i] ?? 0) ^ 0x36;
    outer[i] = (key[i] ?? 0) ^ 0x5c;
  }
  inner.set(content, blockBytes);
  outer.set(hash('sha256', inner, 'buffer'), blockBytes);
  return hash('sha256', outer, 'hex');
}
