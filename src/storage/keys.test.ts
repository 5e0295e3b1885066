import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkKey, checkPrefix, compareKeys } from './keys.ts';

const forbidden = expect.objectContaining({ code: 'STORE_FORBIDDEN' });
const text = fc.string({ unit: 'binary' }).filter(value => value.isWellFormed());

describe('keys', () => {
  it('are ordered like their UTF-8 bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 2000, examples: [['\u{10000}', '\ue000'], ['\uffff', '\u{10ffff}'], ['a', 'a\u{10000}']] }, // biome-ignore format: pairs
    );
  });

  it.each([
    'a',
    'a/b',
    'holdfast.json',
    'backups/20261123T020000Z-daily-k3f9/resources-0001.tar.zst.age',
    '…/ä b',
    'a/..b',
    'x'.repeat(255),
  ])('may be %j', key => {
    expect(() => checkKey(key)).not.toThrow();
  });

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '..',
    'a/../b',
    './a',
    'a/.',
    'a\tb',
    'a\u007f',
    '\udc00',
    'x'.repeat(256),
    'ä'.repeat(128),
    '.holdfast-1',
  ])('may not be %j', key => {
    expect(() => checkKey(key)).toThrow(forbidden);
  });

  it('may never lead out of the location, whatever they are made of', () => {
    const segments = fc.array(fc.constantFrom('a', '..', '.', '', '\0', '.holdfast-a', 'b'), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(segments, parts => {
        const key = parts.join('/');
        const fine = parts.every(part => part === 'a' || part === 'b');
        if (fine) expect(() => checkKey(key)).not.toThrow();
        else expect(() => checkKey(key)).toThrow(forbidden);
      }),
    );
  });
});

describe('prefixes', () => {
  it.each(['', 'a', 'a/', 'a/b', 'a/.', 'a/..', '.'])('may be %j', prefix => {
    expect(() => checkPrefix(prefix)).not.toThrow();
  });
  it.each(['/', '../', './a', 'a//', 'a/../b', 'a\0', '\ud800'])('may not be %j', prefix => {
    expect(() => checkPrefix(prefix)).toThrow(forbidden);
  });
});
