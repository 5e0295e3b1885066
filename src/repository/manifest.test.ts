import { generateKeyPairSync, verify as nodeVerify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configMap, makeRepository, newKeys, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { decodeManifest, decodeManifestAside, encodeManifest } from './manifest.ts';

let location: TestRepository;
let manifest: Manifest;

beforeAll(async () => {
  location = await makeRepository();
  manifest = (await writeSet(location.repository, location.keys, { objects: [configMap('a')], phase: 'PartiallyFailed' })).manifest;
});

afterAll(() => location.remove());

const withLine1 = (change: (manifest: Manifest) => unknown): Uint8Array =>
  encodeManifest(change(manifest) as Manifest, location.keys.privatePem);

describe('a manifest', () => {
  it('comes back as it was written', () => {
    const bytes = encodeManifest(manifest, location.keys.privatePem);
    expect(decodeManifest(bytes).manifest).toEqual(manifest);
  });

  it('is two lines: its JSON, and a signature over exactly that line', () => {
    const { privatePem, publicPem } = location.keys;
    const [line, proof, end] = Buffer.from(encodeManifest(manifest, privatePem)).toString().split('\n');
    expect(end).toBe('');
    expect(JSON.parse(line!)).toEqual(manifest);
    const { signature } = JSON.parse(proof!) as { signature: { value: string } };
    expect(nodeVerify(null, Buffer.from(line!), publicPem, Buffer.from(signature.value, 'base64'))).toBe(true);
  });

  it('may have fields of a later version, but not another format version', () => {
    expect(decodeManifest(withLine1(made => ({ ...made, later: 1 }))).manifest.id).toBe(manifest.id);
    expect(() => decodeManifest(withLine1(made => ({ ...made, formatVersion: 2 })))).toThrow(
      expect.objectContaining({ code: 'REPO_UNSUPPORTED' }),
    );
  });

  it.each([
    ['no JSON', () => Buffer.from('x\ny\n')],
    ['one line', () => Buffer.from('{}\n')],
    ['three lines', () => Buffer.concat([encodeManifest(manifest, location.keys.privatePem), Buffer.from('{}\n')])],
    [
      'spaces in its signature line',
      () =>
        Buffer.from(Buffer.from(encodeManifest(manifest, location.keys.privatePem)).toString().replace('"signature":{', '"signature": {')),
    ],
    ['nothing', () => Buffer.alloc(0)],
    ['a shard outside of the set', () => withLine1(made => ({ ...made, shards: [{ ...made.shards[0], name: '../../etc/passwd' }] }))],
    ['a negative count', () => withLine1(made => ({ ...made, objects: -1 }))],
    ['a missing field', () => withLine1(({ kinds: _, ...made }) => made)],
    ['a phase that no set can have', () => withLine1(made => ({ ...made, phase: 'Failed' }))],
  ])('with %s is corrupt', (_, bytes) => {
    expect(() => decodeManifest(bytes())).toThrow(expect.objectContaining({ code: 'BACKUP_CORRUPT' }));
  });

  it('is accepted from a trusted signer only, where any is trusted', async () => {
    const bytes = encodeManifest(manifest, location.keys.privatePem);
    const stranger = await newKeys();
    const { publicPem } = location.keys;
    expect(decodeManifest(bytes).signature.verified).toBe(false);
    expect(decodeManifest(bytes, { known: [publicPem] }).signature.verified).toBe(false);
    expect(decodeManifest(bytes, { trusted: [stranger.publicPem, publicPem] }).signature.verified).toBe(true);
    const untrusted = () => decodeManifest(bytes, { trusted: [stranger.publicPem], known: [publicPem] });
    expect(untrusted).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
  });

  it('is refused when its content is not what was signed', async () => {
    const { publicPem } = location.keys;
    const [line, proof] = Buffer.from(encodeManifest(manifest, location.keys.privatePem)).toString().split('\n');
    const altered = Buffer.from(`${line!.replace('"objects":1', '"objects":2')}\n${proof}\n`);
    expect(() => decodeManifest(altered, { known: [publicPem] })).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
    expect(() => decodeManifest(altered, { trusted: [publicPem] })).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
    const aside = (keys: object) => expect(decodeManifestAside(altered, keys)).rejects;
    await aside({ known: [publicPem] }).toMatchObject({ code: 'SIGNATURE_INVALID' });
    await aside({ trusted: [publicPem] }).toMatchObject({ code: 'SIGNATURE_INVALID' });
  });

  it('is read the same where its signature is checked on another thread', async () => {
    const bytes = encodeManifest(manifest, location.keys.privatePem);
    for (const keys of [{}, { known: [location.keys.publicPem] }, { trusted: [location.keys.publicPem] }])
      expect(await decodeManifestAside(bytes, keys)).toEqual(decodeManifest(bytes, keys));
  });

  it('is signed with Ed25519 keys only', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(() => encodeManifest(manifest, pem)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }));
  });
});
