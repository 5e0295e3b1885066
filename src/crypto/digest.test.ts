import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hmacSha256Hex, sha256Hex } from './digest.ts';

it('computes SHA-256 as FIPS 180 gives it for "abc"', () => {
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256Hex(Buffer.from('abc'))).toBe(sha256Hex('abc'));
});

it('computes HMAC-SHA-256 as RFC 4231 gives it for test case 2', () => {
  const mac = hmacSha256Hex(Buffer.from('Jefe'), 'what do ya want for nothing?');
  expect(mac).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});

it('computes the same HMAC as node:crypto for keys up to a block and any data', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 300 }), (key, data) => {
      expect(hmacSha256Hex(key, data)).toBe(createHmac('sha256', key).update(data).digest('hex'));
    }),
  );
});
