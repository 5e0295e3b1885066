import { randomBytes } from 'node:crypto';
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import {
  generateIdentity,
  open,
  openStream,
  parseIdentities,
  parseRecipients,
  recipientFingerprint,
  recipientOf,
  seal,
  sealStream,
} from './age.ts';

const chunk = 64 * 1024;
const edges = [
  0,
  1,
  15,
  16,
  17,
  chunk - 17,
  chunk - 16,
  chunk - 1,
  chunk,
  chunk + 1,
  chunk + 16,
  chunk + 17,
  2 * chunk - 1,
  2 * chunk,
  2 * chunk + 1,
];

let identity: string;
let recipient: string;
let stranger: string;
beforeAll(async () => {
  ({ identity, recipient } = await generateIdentity());
  stranger = (await generateIdentity()).identity;
});

async function codeOf(run: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await run;
    return 'none';
  } catch (thrown) {
    if (thrown instanceof HoldfastError) return thrown.code;
    throw thrown;
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const piece of source) chunks.push(piece);
  return Buffer.concat(chunks);
}

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const sizes = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: 3 * chunk }));
const cuts = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 });

describe('sealing', () => {
  it('gives every size back, at once and as a stream, however either is cut', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, cuts, async (size, pieces) => {
        const plain = randomBytes(size);
        const atOnce = await seal([recipient], await Array.fromAsync(inPieces(plain, pieces)));
        const streamed = await collect(sealStream([recipient], inPieces(plain, pieces)));
        expect(plain.equals(await open([identity], streamed))).toBe(true);
        expect(plain.equals(await collect(openStream([identity], inPieces(atOnce, pieces))))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('takes as many pieces as there are', async () => {
    const plain = randomBytes(3 * chunk);
    const sealed = await seal([recipient], await Array.fromAsync(inPieces(plain, [1])));
    expect(plain.equals(await open([identity], sealed))).toBe(true);
  });

  it.each(edges)('agrees with the age library in both directions at %i bytes', async size => {
    const plain = randomBytes(size);
    const theirs = new Decrypter();
    theirs.addIdentity(identity);
    expect(plain.equals(await theirs.decrypt(await seal([recipient], plain)))).toBe(true);
    const ours = new Encrypter();
    ours.addRecipient(recipient);
    expect(plain.equals(await open([identity], await ours.encrypt(plain)))).toBe(true);
  });

  it('seals for several recipients, each of whom opens alone', async () => {
    const second = await generateIdentity();
    const sealed = await seal([recipient, second.recipient], Buffer.from('content'));
    for (const key of [identity, second.identity]) expect(Buffer.from(await open([stranger, key], sealed)).toString()).toBe('content');
  });

  it('seals for post-quantum recipients', async () => {
    const hybrid = await generateHybridIdentity();
    const sealed = await seal([await identityToRecipient(hybrid)], Buffer.from('content'));
    expect(Buffer.from(await open([hybrid], sealed)).toString()).toBe('content');
  });

  it('never makes the same bytes twice', async () => {
    expect(await seal([recipient], Buffer.from('x'))).not.toEqual(await seal([recipient], Buffer.from('x')));
  });

  it('refuses to seal for nobody', async () => {
    expect(await codeOf(seal([], Buffer.from('x')))).toBe('RECIPIENT_MISSING');
    expect(await codeOf(collect(sealStream([], inPieces(Buffer.from('x'), [1]))))).toBe('RECIPIENT_MISSING');
  });
});

describe('opening', () => {
  it('says that an identity is the wrong one', async () => {
    const sealed = await seal([recipient], Buffer.from('x'));
    expect(await codeOf(open([stranger], sealed))).toBe('IDENTITY_WRONG');
    expect(await codeOf(collect(openStream([stranger], inPieces(sealed, [7]))))).toBe('IDENTITY_WRONG');
    expect(await codeOf(open([], sealed))).toBe('IDENTITY_MISSING');
  });

  it('detects every single flipped bit of a small file', async () => {
    const sealed = await seal([recipient], Buffer.from('the quick brown fox'));
    const text = Buffer.from(sealed);
    const stanza = text.indexOf('-> X25519');
    const macLine = text.indexOf('\n--- ');
    for (let at = 0; at < sealed.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const altered = Uint8Array.from(sealed);
        altered[at]! ^= 1 << bit;
        const allowed = at >= stanza && at <= macLine ? ['BACKUP_CORRUPT', 'IDENTITY_WRONG'] : ['BACKUP_CORRUPT'];
        expect(allowed, `byte ${at}, bit ${bit}`).toContain(await codeOf(open([identity], altered)));
      }
    }
  });

  it('detects a flipped bit anywhere in a large file', async () => {
    const sealed = await seal([recipient], randomBytes(2 * chunk + 100));
    const payload = Buffer.from(sealed).indexOf('\n--- ') + 50;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: payload, max: sealed.length - 1 }), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
        const altered = Uint8Array.from(sealed);
        altered[at]! ^= 1 << bit;
        expect(await codeOf(open([identity], altered))).toBe('BACKUP_CORRUPT');
        expect(await codeOf(collect(openStream([identity], inPieces(altered, [chunk]))))).toBe('BACKUP_CORRUPT');
      }),
      { numRuns: 50 },
    );
  });

  it('detects a cut at any length, an appended byte and exchanged chunks', async () => {
    const sealed = await seal([recipient], randomBytes(2 * chunk));
    const payload = sealed.length - 2 * (chunk + 16);
    const lengths = [0, 1, 10, 22, 100, payload - 17, payload - 16, payload, payload + 16, payload + chunk + 16, sealed.length - 1];
    for (const length of lengths) {
      const cut = sealed.subarray(0, length);
      expect(await codeOf(open([identity], cut)), `cut to ${length}`).toBe('BACKUP_CORRUPT');
      expect(await codeOf(collect(openStream([identity], inPieces(cut, [1000])))), `stream cut to ${length}`).toBe('BACKUP_CORRUPT');
    }
    expect(await codeOf(open([identity], Buffer.concat([sealed, Buffer.alloc(1)])))).toBe('BACKUP_CORRUPT');
    const first = sealed.subarray(payload, payload + chunk + 16);
    const exchanged = Buffer.concat([sealed.subarray(0, payload), sealed.subarray(payload + chunk + 16), first]);
    expect(await codeOf(open([identity], exchanged))).toBe('BACKUP_CORRUPT');
  });

  it('does not read a stream without end that is no age file', async () => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read += 1;
        yield Buffer.alloc(1024, 'a');
      }
    }
    expect(await codeOf(collect(openStream([identity], endless())))).toBe('BACKUP_CORRUPT');
    expect(read).toBe(1);
  });

  it('ends its source when the reader leaves early', async () => {
    const sealed = await seal([recipient], randomBytes(3 * chunk));
    let ended = false;
    async function* source() {
      try {
        yield* inPieces(sealed, [1000]);
      } finally {
        ended = true;
      }
    }
    for await (const _ of openStream([identity], source())) break;
    expect(ended).toBe(true);
  });
});

describe('keys as text', () => {
  it('reads recipients with comments, blank lines and Windows line ends, each once', () => {
    expect(parseRecipients(`# operator\r\n\r\n  ${recipient}\r\n${recipient}\n# end`)).toEqual([recipient]);
    expect(parseRecipients('# nobody\n')).toEqual([]);
  });

  it('names the line of a recipient that is none, and not its content', () => {
    const mistyped = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
    for (const bad of [mistyped, 'ssh-ed25519 AAAA', identity]) {
      expect(() => parseRecipients(`# a\n${recipient}\n${bad}\n`, 'keys.txt')).toThrow(/^keys\.txt, line 3: /);
      expect(() => parseRecipients(bad)).not.toThrow(bad.slice(4, 12));
    }
  });

  it('refuses to mix post-quantum with classic recipients, as age does', async () => {
    const hybrid = await identityToRecipient(await generateHybridIdentity());
    expect(() => parseRecipients(`${hybrid}\n${recipient}`)).toThrow(/cannot be mixed/);
    expect(await codeOf(seal([hybrid, recipient], Buffer.from('x')))).toBe('KEY_INVALID');
    expect(parseRecipients(hybrid)).toEqual([hybrid]);
  });

  it('reads what age-keygen writes', () => {
    expect(parseIdentities(`# created: 2026-11-23T00:00:00Z\n# public key: ${recipient}\n${identity}\n`)).toEqual([identity]);
  });

  it('names the line of an identity that is none, and never any of it', () => {
    const mistyped = `${identity.slice(0, -1)}${identity.endsWith('Q') ? 'P' : 'Q'}`;
    for (const bad of [mistyped, identity.toLowerCase(), identity.slice(0, 40), recipient]) {
      let message = '';
      try {
        parseIdentities(`# a\n\n${bad}`, 'id.txt');
      } catch (thrown) {
        message = String(thrown);
      }
      expect(message).toMatch(/id\.txt, line 3: /);
      expect(message).not.toContain(bad.slice(18, 26));
    }
    expect(() => parseIdentities('# empty\n')).toThrow(/holds no age identity/);
  });

  it('says what to do with an identity file under a passphrase', () => {
    expect(() => parseIdentities('-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n')).toThrow(/passphrase/);
  });

  it('has a fingerprint that sha256sum computes too', () => {
    expect(recipientFingerprint('age1example')).toBe('SHA256:e37425255c92f8d2d11c70d1ffd4ec54a7d1c7a054f117e9f92cfb4e1a130ba7');
  });

  it('derives the recipient of an identity', async () => {
    expect(await recipientOf(identity)).toBe(recipient);
    expect(await codeOf(recipientOf('AGE-SECRET-KEY-1NONE'))).toBe('KEY_INVALID');
  });
});
