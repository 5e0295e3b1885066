import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateIdentity, open, parseIdentities, seal } from './age.ts';
import { holdIdentities } from './held-identity.ts';

const plain = Buffer.from('what was sealed');
const bytes = (text: string) => Buffer.from(text, 'utf8');
const failureOf = (call: () => unknown): unknown => {
  try {
    call();
    return undefined;
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string };
    return { code, message };
  }
};

describe('a held identity', () => {
  it('opens what was sealed for it, as its text does, and nothing else', async () => {
    for (let n = 0; n < 20; n++) {
      const [mine, other] = [await generateIdentity(), await generateIdentity()];
      const held = holdIdentities(bytes(`# a comment\r\n\n  ${mine.identity} \n`));
      expect(await open(held, await seal([other.recipient, mine.recipient], plain))).toEqual(plain);
      await expect(open(held, await seal([other.recipient], plain))).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
    }
  });

  it('opens nothing any more once it was let go', async () => {
    const { identity, recipient } = await generateIdentity();
    const held = holdIdentities(bytes(identity));
    const sealed = await seal([recipient], plain);
    for (const one of held) one.letGo();
    await expect(open(held, sealed)).rejects.toMatchObject({ code: 'IDENTITY_MISSING' });
  });

  it('gives nobody its key', async () => {
    const [held] = holdIdentities(bytes((await generateIdentity()).identity));
    expect(held?.key).toMatchObject({ type: 'private', extractable: false });
  });

  it('of a post-quantum kind works too, among others', async () => {
    const [strong, classic] = [await generateHybridIdentity(), await generateIdentity()];
    const held = holdIdentities(bytes(`${classic.identity}\n${strong}\n`));
    for (const recipient of [await identityToRecipient(strong), classic.recipient]) {
      expect(await open(held, await seal([recipient], plain))).toEqual(plain);
    }
  });
});

describe('a file of identities', () => {
  it.each([
    ['nothing', ''],
    ['comments alone', '# created: today\n\n'],
    ['a recipient', '\n# a\nage1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq'],
    ['something else', 'hello'],
    ['a file that a passphrase protects', '\n age-encryption.org/v1\n-> scrypt'],
    ['an armored one', '-----BEGIN AGE ENCRYPTED FILE-----\n'],
  ])('with %s is refused in the words that its text is refused in', (_what, text) => {
    const expected = failureOf(() => parseIdentities(text, 'here'));
    expect(expected).toMatchObject({ code: 'KEY_INVALID' });
    expect(failureOf(() => holdIdentities(bytes(text), 'here'))).toEqual(expected);
  });

  it('is refused when one character of it was altered, and never quoted', async () => {
    const { identity } = await generateIdentity();
    fc.assert(
      fc.property(fc.nat(identity.length - 1), fc.constantFrom(...'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LbB1o-'), (at, character) => {
        fc.pre(identity[at] !== character);
        const altered = `${identity.slice(0, at)}${character}${identity.slice(at + 1)}`;
        const refused = failureOf(() => holdIdentities(bytes(`# one\n${altered}`), 'here'));
        expect(refused).toEqual(failureOf(() => parseIdentities(`# one\n${altered}`, 'here')));
        expect(refused).toMatchObject({ code: 'KEY_INVALID', message: expect.not.stringContaining(altered.slice(-40)) });
      }),
    );
    for (const text of [identity.slice(0, -1), `${identity}Q`, `${identity.slice(0, -6)}`]) {
      expect(failureOf(() => holdIdentities(bytes(text)))).toMatchObject({ code: 'KEY_INVALID' });
    }
  });
});
