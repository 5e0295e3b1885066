import { randomBytes } from 'node:crypto';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { HoldfastError } from '../domain/errors.ts';
import type { HeldIdentity, Identity } from '../domain/identity.ts';
import {
  openPayload,
  openPayloadBytes,
  payloadKey,
  payloadNonceBytes,
  sealedPayloadBytes,
  sealPayload,
  sealPayloadInto,
} from './age-stream.ts';
import { sha256Hex } from './digest.ts';

// age-encryption makes and reads the header (who may open it), age-stream.ts the payload; the result is a plain age file.

// A post-quantum recipient's stanza takes 1.7 kB; nobody has a hundred of them.
const maxHeaderBytes = 256 * 1024;
const headerStart = 'age-encryption.org/v1\n';

/** A new X25519 key pair as `age-keygen` makes them: `AGE-SECRET-KEY-1…` and `age1…`. */
export async function generateIdentity(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The public half of an identity, as `age-keygen -y` prints it. KEY_INVALID when it is none. */
export async function recipientOf(identity: string): Promise<string> {
  try {
    return await identityToRecipient(identity);
  } catch {
    throw new HoldfastError('KEY_INVALID', 'not a valid age identity');
  }
}

/** `SHA256:<hex>` over the recipient's text: `printf %s age1… | sha256sum` prints the same. */
export function recipientFingerprint(recipient: string): string {
  return `SHA256:${sha256Hex(recipient)}`;
}

function keyLines(text: string): { line: number; value: string }[] {
  return text
    .split('\n')
    .map((raw, index) => ({ line: index + 1, value: raw.trim() }))
    .filter(({ value }) => value !== '' && !value.startsWith('#'));
}

export function invalidLine(source: string, line: number, why: string): HoldfastError {
  return new HoldfastError('KEY_INVALID', `${source}, line ${line}: ${why}`);
}

/**
 * Recipients (public keys), one a line; blank lines and `#` comments allowed. `age1…` (X25519), `age1pq1…` (post-quantum) and `age1tag…`.
 * KEY_INVALID names the line, never its content: it could be a private key put in the wrong file.
 */
export function parseRecipients(text: string, source = 'recipients'): string[] {
  const recipients = keyLines(text).map(({ line, value }) => {
    if (/^AGE-SECRET-KEY-/i.test(value)) throw invalidLine(source, line, 'a private identity stands where a recipient (age1…) belongs');
    try {
      new Encrypter().addRecipient(value);
    } catch {
      throw invalidLine(source, line, 'not a valid age recipient (age1…)');
    }
    return value;
  });
  refuseMixed(recipients, source);
  return [...new Set(recipients)];
}

// Like age itself: with one classic recipient, the post-quantum ones protect nothing.
function refuseMixed(recipients: readonly string[], source: string): void {
  const strong = recipients.filter(r => /^age1(pq|tagpq)1/.test(r)).length;
  if (strong > 0 && strong < recipients.length) {
    throw new HoldfastError('KEY_INVALID', `${source}: post-quantum and other recipients cannot be mixed, the weaker kind would decide`);
  }
}

/** Identities (private keys), one a line; blank lines and `#` comments allowed. KEY_INVALID names the line, never its content; none is an error. */
export function parseIdentities(text: string, source = 'identities'): string[] {
  if (/^(age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/.test(text.trimStart())) {
    throw protectedByPassphrase(source);
  }
  const identities = keyLines(text).map(({ line, value }) => checkedIdentity(value, line, source));
  if (identities.length === 0) throw holdsNoIdentity(source);
  return [...new Set(identities)];
}

/** The text of one line. KEY_INVALID. */
export function checkedIdentity(value: string, line: number, source: string): string {
  if (value.startsWith('age1')) throw invalidLine(source, line, 'a public recipient stands where an identity (AGE-SECRET-KEY-…) belongs');
  try {
    new Decrypter().addIdentity(value);
  } catch {
    throw invalidLine(source, line, 'not a valid age identity (AGE-SECRET-KEY-…)');
  }
  return value;
}

export function protectedByPassphrase(source: string): HoldfastError {
  return new HoldfastError('KEY_INVALID', `${source}: protected by a passphrase; open it with age -d first`);
}

export function holdsNoIdentity(source: string): HoldfastError {
  return new HoldfastError('KEY_INVALID', `${source}: holds no age identity`);
}

interface Opening {
  readonly header: Uint8Array;
  readonly nonce: Uint8Array;
  readonly key: Uint8Array;
}

async function newHeader(recipients: readonly string[]): Promise<Opening> {
  if (recipients.length === 0) throw new HoldfastError('RECIPIENT_MISSING', 'nothing can be sealed: there is no recipient');
  refuseMixed(recipients, 'recipients');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw new HoldfastError('KEY_INVALID', 'not a valid age recipient (age1…)');
    }
  }
  // A recipient that adds no stanza is how the file key, which the library draws itself, is told to the payload cipher.
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey: key => {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  const empty = Buffer.concat(await Array.fromAsync(await encrypter.encrypt(emptyStream())));
  if (fileKey === undefined) throw new HoldfastError('INTERNAL', 'age-encryption gave no file key');
  const header = empty.subarray(0, headerLength(empty));
  const nonce = randomBytes(payloadNonceBytes);
  return { header, nonce, key: payloadKey(fileKey, nonce) };
}

/** As a stream, because the library collects bytes by `Response`, and with that all of `fetch` is loaded: 30 ms in every thread that seals. */
function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: controller => controller.close() });
}

function headerLength(file: Uint8Array): number {
  const text = Buffer.from(file.buffer, file.byteOffset, Math.min(file.length, maxHeaderBytes));
  const mac = text.indexOf('\n--- ', 0, 'latin1');
  const end = mac < 0 ? -1 : text.indexOf('\n', mac + 1, 'latin1');
  return end < 0 ? -1 : end + 1;
}

async function readFileKey(identities: readonly Identity[], header: Uint8Array): Promise<Uint8Array> {
  if (identities.length === 0) throw new HoldfastError('IDENTITY_MISSING', 'nothing can be opened: there is no identity');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(typeof identity === 'string' ? identity : keyOf(identity));
  try {
    return await decrypter.decryptHeader(header);
  } catch (thrown) {
    if (thrown instanceof Error && thrown.message.startsWith('no identity matched')) {
      throw new HoldfastError('IDENTITY_WRONG', 'no given identity opens this file');
    }
    throw new HoldfastError('BACKUP_CORRUPT', 'the header of the sealed file was altered');
  }
}

function keyOf({ key }: HeldIdentity): NonNullable<HeldIdentity['key']> {
  if (key === undefined) throw new HoldfastError('IDENTITY_MISSING', 'nothing can be opened: the identity was let go');
  return key;
}

/**
 * Seals bytes, in any number of pieces, as an age file (binary, not armored) that any one of `recipients` opens. The memory of what it returns is
 * its own. RECIPIENT_MISSING when there is none.
 */
export async function seal(recipients: readonly string[], plain: Uint8Array | readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const pieces = plain instanceof Uint8Array ? [plain] : plain;
  const { header, nonce, key } = await newHeader(recipients);
  const start = header.length + nonce.length;
  const sealed = Buffer.allocUnsafeSlow(start + sealedPayloadBytes(pieces.reduce((sum, piece) => sum + piece.length, 0)));
  sealed.set(header);
  sealed.set(nonce, header.length);
  sealPayloadInto(key, pieces, sealed, start);
  return sealed;
}

/**
 * Opens an age file. IDENTITY_WRONG when no identity fits, BACKUP_CORRUPT when bytes were altered or cut. An alteration inside the very
 * stanza that belongs to an identity cannot be told from a file that was sealed for somebody else: IDENTITY_WRONG; compare digests first.
 */
export async function open(identities: readonly Identity[], sealed: Uint8Array): Promise<Uint8Array> {
  const length = checkedHeaderLength(sealed, true);
  const fileKey = await readFileKey(identities, sealed.subarray(0, length));
  const payload = sealed.subarray(length + payloadNonceBytes);
  const key = payloadKey(fileKey, sealed.subarray(length, length + payloadNonceBytes));
  return Buffer.concat(openPayloadBytes(key, payload));
}

/** Like `seal`, as a stream of constant memory: 64 KiB at a time. */
export async function* sealStream(recipients: readonly string[], plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { header, nonce, key } = await newHeader(recipients);
  yield header;
  yield nonce;
  yield* sealPayload(key, plain);
}

/**
 * Like `open`, as a stream. Every chunk given out is authentic and in its place, but only the end of the stream says that it was whole:
 * an error after some chunks means that all of them are to be thrown away.
 */
export async function* openStream(identities: readonly Identity[], sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = sealed[Symbol.asyncIterator]();
  try {
    let start: Uint8Array = new Uint8Array(0);
    let length = -1;
    while (length < 0 || start.length < length + payloadNonceBytes) {
      const next = await source.next();
      if (next.done === true) {
        checkedHeaderLength(start, true);
        throw new HoldfastError('BACKUP_CORRUPT', 'sealed data ends too early');
      }
      start = Buffer.concat([start, next.value]);
      length = checkedHeaderLength(start, false);
    }
    const fileKey = await readFileKey(identities, start.subarray(0, length));
    const key = payloadKey(fileKey, start.subarray(length, length + payloadNonceBytes));
    yield* openPayload(key, followedBy(start.subarray(length + payloadNonceBytes), source));
  } finally {
    await source.return?.();
  }
}

async function* followedBy(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** -1 while more is needed; BACKUP_CORRUPT as soon as it can be no age header, or when the file is `whole` and has none. */
function checkedHeaderLength(file: Uint8Array, whole: boolean): number {
  const start = Buffer.from(file.buffer, file.byteOffset, Math.min(file.length, headerStart.length)).toString('latin1');
  const length = headerLength(file);
  const hopeless = whole || file.length > maxHeaderBytes;
  const foreign = whole ? start !== headerStart : !headerStart.startsWith(start);
  if (foreign || (length < 0 && hopeless)) throw new HoldfastError('BACKUP_CORRUPT', 'not an age file, or its header was altered');
  if (whole && file.length < length + payloadNonceBytes) throw new HoldfastError('BACKUP_CORRUPT', 'sealed data ends too early');
  return length;
}
