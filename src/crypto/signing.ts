import {
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { HoldfastError } from '../domain/errors.ts';
import { sha256Hex } from './digest.ts';

export interface SigningKeyPair {
  /** PKCS #8, PEM. */
  readonly privatePem: string;
  /** SubjectPublicKeyInfo, PEM. */
  readonly publicPem: string;
}

/** A new Ed25519 key pair (RFC 8032), in the PEM forms that openssl reads. */
export function generateSigningKey(): SigningKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privatePem: pem(privateKey, 'pkcs8'), publicPem: pem(publicKey, 'spki') };
}

function pem(key: KeyObject, type: 'pkcs8' | 'spki'): string {
  return key.export({ format: 'pem', type: type as 'spki' }).toString();
}

function load(what: string, parse: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch {
    throw new HoldfastError('KEY_INVALID', `not a valid ${what} (Ed25519, PEM)`);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new HoldfastError('KEY_INVALID', `the ${what} is of type ${key.asymmetricKeyType}, but must be Ed25519`);
}

/** KEY_INVALID when it is no Ed25519 private key; the message never holds any of it. */
export function loadPrivateKey(privatePem: string): KeyObject {
  return load('private signing key', () => createPrivateKey(privatePem));
}

/** KEY_INVALID when it is no Ed25519 public key. A private key is refused: it has no business where a public one is asked for. */
export function loadPublicKey(publicPem: string): KeyObject {
  if (/PRIVATE KEY/.test(publicPem)) throw new HoldfastError('KEY_INVALID', 'a private key stands where a public signing key belongs');
  return load('public signing key', () => createPublicKey(publicPem));
}

/** The public half, as `openssl pkey -pubout` prints it. */
export function publicKeyOf(privatePem: string): string {
  return pem(createPublicKey(loadPrivateKey(privatePem)), 'spki');
}

/** `SHA256:<hex>` over the DER form of the public key: `openssl pkey -pubin -in key.pub -outform DER | sha256sum` prints the same. */
export function signingKeyId(publicPem: string): string {
  return idOf(loadPublicKey(publicPem));
}

function idOf(key: KeyObject): string {
  return `SHA256:${sha256Hex(key.export({ format: 'der', type: 'spki' }))}`;
}

/** Keys that were read, by the list that they came in: to read one from its text takes longer than to check a signature with it. */
const readKeys = new WeakMap<readonly string[], Map<string, KeyObject>>();

/** The key of this id among public keys (PEM), in a list that does not change; undefined where there is none. KEY_INVALID. */
export function keyAmong(publicPems: readonly string[], id: string): KeyObject | undefined {
  const known = readKeys.get(publicPems) ?? new Map<string, KeyObject>();
  readKeys.set(publicPems, known);
  for (let at = 0; at < publicPems.length && !known.has(id); at++) {
    const key = loadPublicKey(publicPems[at]!);
    known.set(idOf(key), key);
  }
  return known.get(id);
}

/** Ed25519 signature of the bytes themselves, base64 (88 characters). */
export function sign(privatePem: string, bytes: Uint8Array): string {
  return cryptoSign(null, bytes, loadPrivateKey(privatePem)).toString('base64');
}

/** False for any other bytes, key or signature. The signature must be the one canonical base64 text, so that no bit of it can change unseen. */
export function verify(publicKey: string | KeyObject, bytes: Uint8Array, signature: string): boolean {
  const key = typeof publicKey === 'string' ? loadPublicKey(publicKey) : publicKey;
  const raw = canonical(signature);
  return raw !== undefined && cryptoVerify(null, bytes, key, raw);
}

/** Like `verify`, on a thread of Node’s pool: who reads ten thousand manifests goes on meanwhile. */
export async function verifyAside(key: KeyObject, bytes: Uint8Array, signature: string): Promise<boolean> {
  const raw = canonical(signature);
  if (raw === undefined) return false;
  return new Promise((resolve, reject) => {
    cryptoVerify(null, bytes, key, raw, (error, holds) => (error === null ? resolve(holds) : reject(error)));
  });
}

function canonical(signature: string): Buffer | undefined {
  const raw = Buffer.from(signature, 'base64');
  return raw.length === 64 && raw.toString('base64') === signature ? raw : undefined;
}
