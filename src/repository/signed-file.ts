import * as z from 'zod';
import { publicKeyOf, sign, signingKeyId, verify } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';
import { joinLines, parseLine, splitLines } from './signed-lines.ts';

const signatureSchema = z.strictObject({
  signature: z.strictObject({ algorithm: z.literal('ed25519'), keyId: z.string(), value: z.string() }),
});

/** Who signed a file. `verified`: with a key that the caller trusts; else only damage, not an author, was ruled out. */
export interface FileSignature {
  /** `SHA256:<hex>` of the public key. */
  readonly keyId: string;
  readonly verified: boolean;
}

export interface SignatureOptions {
  /** Public keys (PEM) of which one must have signed. */
  readonly trusted?: readonly string[];
  /** Public keys to check for damage with where none is trusted; the key may then also be unknown, and nothing is checked. */
  readonly known?: readonly string[];
}

/** One line of JSON, and one with its signature. KEY_INVALID when the key is no Ed25519 private key (PEM). */
export function encodeSigned(value: object, signingPrivatePem: string): Uint8Array {
  const content = JSON.stringify(value);
  const keyId = signingKeyId(publicKeyOf(signingPrivatePem));
  return joinLines(content, signatureLine(keyId, sign(signingPrivatePem, Buffer.from(content))));
}

function signatureLine(keyId: string, value: string): string {
  return JSON.stringify({ signature: { algorithm: 'ed25519', keyId, value } });
}

/**
 * `what` names the file in messages. SIGNATURE_INVALID when no trusted key, if any are given, or the known key that it names did not sign these
 * bytes; REPO_UNSUPPORTED for another format version; BACKUP_CORRUPT for anything malformed.
 */
export function decodeSigned(
  bytes: Uint8Array,
  what: string,
  options: SignatureOptions = {},
): { readonly value: unknown; readonly signature: FileSignature } {
  const { content, proof } = splitLines(bytes, what);
  const signature = checkSignature(content, proof, what, options);
  const value = parseLine(content, what);
  refuseOtherVersion(value, what);
  return { value, signature };
}

function checkSignature(content: Uint8Array, proof: string, what: string, { trusted = [], known = [] }: SignatureOptions): FileSignature {
  const parsed = signatureSchema.safeParse(parseLine(proof, `${what}’s signature`));
  const { keyId, value } = parsed.data?.signature ?? { keyId: '', value: '' };
  // One text for one signature, so that no byte of the line can change unseen.
  if (!parsed.success || signatureLine(keyId, value) !== proof) {
    throw new HoldfastError('BACKUP_CORRUPT', `${what}’s signature line is malformed`);
  }
  const keys = trusted.length > 0 ? trusted : known;
  const key = keys.find(pem => signingKeyId(pem) === keyId);
  if (key === undefined && keys.length > 0) {
    const whose = trusted.length > 0 ? 'is none of the trusted ones' : 'is not one of the repository’s';
    throw new HoldfastError('SIGNATURE_INVALID', `${what} names the signing key ${keyId}, which ${whose}`);
  }
  if (key !== undefined && !verify(key, content, value)) {
    throw new HoldfastError('SIGNATURE_INVALID', `${what} does not match its signature by ${keyId}`);
  }
  return { keyId, verified: key !== undefined && trusted.length > 0 };
}

/** REPO_UNSUPPORTED when an object names a format version that is not 1. */
export function refuseOtherVersion(value: unknown, what: string): void {
  const version = typeof value === 'object' && value !== null && 'formatVersion' in value ? value.formatVersion : undefined;
  if (typeof version === 'number' && version !== 1) {
    throw new HoldfastError('REPO_UNSUPPORTED', `${what} has format version ${version}; this program reads version 1`);
  }
}
