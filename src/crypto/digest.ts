import { createHmac, hash } from 'node:crypto';

/** SHA-256, lower-case hex: what `sha256sum` prints. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex');
}

/** HMAC-SHA-256 (RFC 2104), lower-case hex. For digests whose content must not be guessable without `key`. */
export function hmacSha256Hex(key: Uint8Array, data: Uint8Array | string): string {
  return createHmac('sha256', key).update(data).digest('hex');
}
