import { createPrivateKey, type webcrypto } from 'node:crypto';
import type { HeldIdentity } from '../domain/identity.ts';
import { checkedIdentity, holdsNoIdentity, invalidLine, protectedByPassphrase } from './age.ts';

// Text of JavaScript cannot be overwritten, and whatever collects garbage leaves copies of it. So an identity is read from its bytes to bytes, and
// handed to OpenSSL, which overwrites the memory of a key when it is freed.

const prefix = 'AGE-SECRET-KEY-1';
const charset = Buffer.from('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L');
const scalarBytes = 32;
const scalarWords = Math.ceil((scalarBytes * 8) / 5);
const checksumWords = 6;
/** PKCS #8 around an X25519 private key (RFC 8410 §7). */
const pkcs8Start = Buffer.from('302e020100300506032b656e04220420', 'hex');

/**
 * The identities of an identity file, as `parseIdentities` reads them, held so that they can be let go. `file` stays the caller’s, to be
 * overwritten. KEY_INVALID names the line, never its content. Of post-quantum identities the age library takes text alone.
 */
export function holdIdentities(file: Uint8Array, source = 'identities'): HeldIdentity[] {
  const identities: HeldIdentity[] = [];
  for (const { line, value } of linesOf(file)) {
    if (identities.length === 0 && (startsWith(value, 'age-encryption.org/') || startsWith(value, '-----BEGIN AGE'))) {
      throw protectedByPassphrase(source);
    }
    if (startsWith(value, prefix)) {
      const key = keyOf(value);
      if (key === undefined) throw invalidLine(source, line, 'not a valid age identity (AGE-SECRET-KEY-…)');
      identities.push(held(key));
    } else {
      identities.push(held(checkedIdentity(value.toString('utf8'), line, source)));
    }
  }
  if (identities.length === 0) throw holdsNoIdentity(source);
  return identities;
}

function held(secret: webcrypto.CryptoKey | string): HeldIdentity {
  let key: webcrypto.CryptoKey | string | undefined = secret;
  return {
    get key() {
      return key;
    },
    letGo: () => {
      key = undefined;
    },
  };
}

/** Lines that hold something, without the white space around it: parts of the same memory. */
function* linesOf(file: Uint8Array): Generator<{ readonly line: number; readonly value: Buffer }> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  let line = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start);
    let [from, to] = [start, newline < 0 ? bytes.length : newline];
    start = to + 1;
    line += 1;
    while (from < to && isBlank(bytes[from]!)) from += 1;
    while (to > from && isBlank(bytes[to - 1]!)) to -= 1;
    if (from < to && bytes[from] !== 0x23) yield { line, value: bytes.subarray(from, to) };
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function startsWith(value: Buffer, text: string): boolean {
  return value.subarray(0, text.length).equals(Buffer.from(text));
}

/** An X25519 key from its Bech32 text (BIP 173); undefined where that is no such text. */
function keyOf(text: Buffer): webcrypto.CryptoKey | undefined {
  // Memory of its own: small arrays lie where garbage is collected, and are copied there.
  const der = Buffer.from(new ArrayBuffer(pkcs8Start.length + scalarBytes));
  const words = Buffer.from(new ArrayBuffer(scalarWords + checksumWords));
  try {
    pkcs8Start.copy(der);
    if (!readWords(text, words) || !toScalar(words, der.subarray(pkcs8Start.length))) return undefined;
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).toCryptoKey({ name: 'X25519' }, false, ['deriveBits']);
  } finally {
    der.fill(0);
    words.fill(0);
  }
}

/** Are these the words of a whole identity, with the checksum that belongs to them? */
function readWords(text: Buffer, words: Buffer): boolean {
  if (text.length !== prefix.length + words.length) return false;
  const human = Buffer.from(prefix.slice(0, -1).toLowerCase());
  let sum = 1;
  for (const byte of human) sum = checksumStep(sum, byte >> 5);
  sum = checksumStep(sum, 0);
  for (const byte of human) sum = checksumStep(sum, byte & 31);
  for (let at = 0; at < words.length; at++) {
    const word = charset.indexOf(text[prefix.length + at]!);
    if (word < 0) return false;
    words[at] = word;
    sum = checksumStep(sum, word);
  }
  return sum === 1;
}

const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

function checksumStep(sum: number, word: number): number {
  const next = ((sum & 0x1ffffff) << 5) ^ word;
  return generators.reduce((mixed, generator, bit) => ((sum >> (25 + bit)) & 1 ? mixed ^ generator : mixed), next);
}

/** Five bits a word to eight a byte; what remains must be zero. */
function toScalar(words: Buffer, scalar: Buffer): boolean {
  let [pending, bits, at] = [0, 0, 0];
  for (let index = 0; index < scalarWords; index++) {
    pending = ((pending << 5) | words[index]!) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    scalar[at++] = pending >> bits;
  }
  return (pending & ((1 << bits) - 1)) === 0;
}
