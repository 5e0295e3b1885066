import type { KeyObject } from 'node:crypto';
import * as z from 'zod';
import { keyAmong, publicKeyOf, sign, signingKeyId, verify, verifyAside } from '../crypto/signing.ts';
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

export interface SignedContent {
  readonly value: unknown;
  readonly signature: FileSignature;
}

/**
 * `what` names the file in messages. SIGNATURE_INVALID when no trusted key, if any are given, or the known key that it names did not sign these
 * bytes; REPO_UNSUPPORTED for another format version; BACKUP_CORRUPT for anything malformed.
 */
export function decodeSigned(bytes: Uint8Array, what: string, options: SignatureOptions = {}): SignedContent {
  const claim = readClaim(bytes, what, options);
  return opened(claim, what, claim.key === undefined || verify(claim.key, claim.content, claim.value));
}

/** Like `decodeSigned`, with the signature checked on another thread: worth it where very many are read. */
export async function decodeSignedAside(bytes: Uint8Array, what: string, options: SignatureOptions = {}): Promise<SignedContent> {
  const claim = readClaim(bytes, what, options);
  return opened(claim, what, claim.key === undefined || (await verifyAside(claim.key, claim.content, claim.value)));
}

/** What a file says of its signature, not checked yet. */
interface Claim {
  readonly content: Uint8Array;
  readonly signature: FileSignature;
  readonly value: string;
  /** To check with; undefined where none is known. */
  readonly key: KeyObject | undefined;
}

function readClaim(bytes: Uint8Array, what: string, { trusted = [], known = [] }: SignatureOptions): Claim {
  const { content, proof } = splitLines(bytes, what);
  const parsed = signatureSchema.safeParse(parseLine(proof, `${what}’s signature`));
  const { keyId, value } = parsed.data?.signature ?? { keyId: '', value: '' };
  // One text for one signature, so that no byte of the line can change unseen.
  if (!parsed.success || signatureLine(keyId, value) !== proof) {
    throw new HoldfastError('BACKUP_CORRUPT', `${what}’s signature line is malformed`);
  }
  const keys = trusted.length > 0 ? trusted : known;
  const key = keyAmong(keys, keyId);
  if (key === undefined && keys.length > 0) {
    const whose = trusted.length > 0 ? 'is none of the trusted ones' : 'is not one of the repository’s';
    throw new HoldfastError('SIGNATURE_INVALID', `${what} names the signing key ${keyId}, which ${whose}`);
  }
  return { content, signature: { keyId, verified: key !== undefined && trusted.length > 0 }, value, key };
}

function opened({ content, signature }: Claim, what: string, isSigned: boolean): SignedContent {
  if (!isSigned) throw new HoldfastError('SIGNATURE_INVALID', `${what} does not match its signature by ${signature.keyId}`);
  const value = parseLine(content, what);
  refuseOtherVersion(value, what);
  return { value, signature };
}

/** REPO_UNSUPPORTED when an object names a format version that is not 1. */
export function refuseOtherVersion(value: unknown, what: string): void {
  const version = typeof value === 'object' && value !== null && 'formatVersion' in value ? value.formatVersion : undefined;
  if (typeof version === 'number' && version !== 1) {
    throw new HoldfastError('REPO_UNSUPPORTED', `${what} has format version ${version}; this program reads version 1`);
  }
}
