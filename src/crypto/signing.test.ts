import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { having } from '../../test/helpers/having.ts';
import {
  generateSigningKey,
  keyAmong,
  loadPrivateKey,
  loadPublicKey,
  publicKeyOf,
  sign,
  signingKeyId,
  verify,
  verifyAside,
} from './signing.ts';

const key = generateSigningKey();
const bytes = Buffer.from('{"id":"20261123T020000Z-daily-k3f9"}');

describe('signing', () => {
  it('verifies what it signed, and nothing else', () => {
    const signature = sign(key.privatePem, bytes);
    expect(verify(key.publicPem, bytes, signature)).toBe(true);
    expect(verify(key.publicPem, Buffer.concat([bytes, Buffer.from(' ')]), signature)).toBe(false);
    expect(verify(generateSigningKey().publicPem, bytes, signature)).toBe(false);
  });

  it('detects every flipped bit in the signature text', () => {
    const signature = Buffer.from(sign(key.privatePem, bytes), 'latin1');
    for (let at = 0; at < signature.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const altered = Buffer.from(signature);
        altered[at]! ^= 1 << bit;
        expect(verify(key.publicPem, bytes, altered.toString('latin1')), `byte ${at}, bit ${bit}`).toBe(false);
      }
    }
  });

  it.each(['', 'A', 'not base64', `${'A'.repeat(87)}=`, `${'A'.repeat(86)}==\n`])(
    'says no, without an error, to the signature %j',
    signature => {
      expect(verify(key.publicPem, bytes, signature)).toBe(false);
    },
  );

  it('says the same on another thread', async () => {
    const signature = sign(key.privatePem, bytes);
    const publicKey = loadPublicKey(key.publicPem);
    expect(await verifyAside(publicKey, bytes, signature)).toBe(true);
    expect(await verifyAside(publicKey, Buffer.concat([bytes, Buffer.from(' ')]), signature)).toBe(false);
    expect(await verifyAside(loadPublicKey(generateSigningKey().publicPem), bytes, signature)).toBe(false);
    expect(await verifyAside(publicKey, bytes, `${signature}\n`)).toBe(false);
    expect(await verifyAside(publicKey, bytes, '')).toBe(false);
  });

  it('derives the public key of a private one', () => {
    expect(publicKeyOf(key.privatePem)).toBe(key.publicPem);
  });

  having('openssl').it('makes signatures and ids that openssl confirms', async () => {
    const dir = await tempDir('signing');
    writeFileSync(join(dir, 'pub.pem'), key.publicPem);
    writeFileSync(join(dir, 'data'), bytes);
    writeFileSync(join(dir, 'sig'), Buffer.from(sign(key.privatePem, bytes), 'base64'));
    const args = ['pkeyutl', '-verify', '-pubin', '-inkey', 'pub.pem', '-rawin', '-in', 'data', '-sigfile', 'sig'];
    expect(execFileSync('openssl', args, { cwd: dir, encoding: 'utf8' })).toContain('Successfully');
    const sum = execFileSync('sh', ['-c', 'openssl pkey -pubin -in pub.pem -outform DER | sha256sum'], { cwd: dir, encoding: 'utf8' });
    expect(signingKeyId(key.publicPem)).toBe(`SHA256:${sum.slice(0, 64)}`);
  });
});

describe('a key among others', () => {
  const other = generateSigningKey();

  it('is found by its id, the second time as the first', () => {
    const pems = [other.publicPem, key.publicPem];
    for (const _ of [1, 2]) {
      expect(keyAmong(pems, signingKeyId(key.publicPem))?.equals(loadPublicKey(key.publicPem))).toBe(true);
      expect(keyAmong(pems, signingKeyId(other.publicPem))?.equals(loadPublicKey(other.publicPem))).toBe(true);
    }
  });

  it('is none of another list', () => {
    expect(keyAmong([key.publicPem], signingKeyId(key.publicPem))).toBeDefined();
    expect(keyAmong([other.publicPem], signingKeyId(key.publicPem))).toBeUndefined();
    expect(keyAmong([], signingKeyId(key.publicPem))).toBeUndefined();
  });

  it('must be one', () => {
    expect(() => keyAmong(['no key'], signingKeyId(key.publicPem))).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }));
  });
});

describe('loading keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

  it('refuses other kinds of keys by name', () => {
    expect(() => loadPrivateKey(rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())).toThrow(
      /type rsa, but must be Ed25519/,
    );
    expect(() => loadPublicKey(rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString())).toThrow(/type rsa, but must be Ed25519/);
  });

  it('refuses a private key where a public one belongs', () => {
    expect(() => loadPublicKey(key.privatePem)).toThrow(/private key stands where a public/);
  });

  it('says nothing of what it was given', () => {
    const broken = key.privatePem.replace(/\n([A-Za-z0-9+/]{8})/, '\n????$1');
    const secret = key.privatePem.split('\n')[1]!;
    for (const text of [broken, secret, '']) {
      expect(() => loadPrivateKey(text)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }));
      expect(() => loadPrivateKey(text)).not.toThrow(secret.slice(20));
    }
  });
});
