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
  return `SHA256:${sha256Hex(loadPublicKey(publicPem).export({ format: 'der', type: 'spki' }))}`;
}

/** Ed25519 signature of the bytes themselves, base64 (88 characters). */
export function sign(privatePem: string, bytes: Uint8Array): string {
  return cryptoSign(null, bytes, loadPrivateKey(privatePem)).toString('base64');
}

/** False for any other bytes, key or signature. The signature must be the one canonical base64 text, so that no bit of it can change unseen. */
export function verify(publicPem: string, bytes: Uint8Array, signature: string): boolean {
  const key = loadPublicKey(publicPem);
  const raw = Buffer.from(signature, 'base64');
  return raw.length === 64 && raw.toString('base64') === signature && cryptoVerify(null, bytes, key, raw);
}
