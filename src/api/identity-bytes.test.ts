import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeIdentityBytes } from './identity-bytes.ts';

const secret = 'AGE-SECRET-KEY-1QQPQYQQZQQGPQYQSZQGPQ';

describe('taking an identity out of a body', () => {
  it('gives its bytes and leaves blanks, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string({ unit: 'binary', minLength: 1 }), (others, text) => {
        fc.pre(!Object.hasOwn(others, '__proto__'));
        const value = text.toWellFormed();
        const body = Buffer.from(JSON.stringify({ ...others, identity: { value } }));
        const expected = Buffer.from(value, 'utf8');
        expect(takeIdentityBytes(body)).toEqual(expected);
        const parsed = JSON.parse(body.toString('utf8'));
        expect(parsed.identity.value).toMatch(/^ +$/);
        expect({ ...parsed, identity: 0 }).toEqual(JSON.parse(JSON.stringify({ ...others, identity: 0 })));
      }),
    );
  });

  it('changes nothing where no identity is given by value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), json => {
        const text = JSON.stringify({ set: json, deep: { identity: { value: 'x' } }, identity: { file: 'a' }, value: 'y' });
        const body = Buffer.from(text);
        expect(takeIdentityBytes(body)).toBeUndefined();
        expect(body.toString('utf8')).toBe(text);
      }),
    );
  });

  it.each([
    ['a key written with escapes', `{"\\u0069dentity":{"val\\u0075e":"${secret}"}}`],
    ['two identities, of which the last counts', `{"identity":{"value":"first"},"identity":{"value":"${secret}"}}`],
    ['blanks and line breaks', `{ "identity" :\n { "value" : "${secret}" } }`],
    ['a body that breaks off', `{"identity":{"value":"${secret}`],
  ])('sees through %s', (_what, text) => {
    const body = Buffer.from(text);
    const taken = takeIdentityBytes(body)?.toString('utf8') ?? '';
    expect(secret.startsWith(taken) && taken.length >= secret.length - 1).toBe(true);
    expect(body.toString('utf8')).not.toContain(secret.slice(0, -1));
    expect(body.toString('utf8')).not.toContain('first');
  });

  it('understands every escape of JSON', () => {
    const value = 'a"b\\c/d\be\ff\ng\rh\ti\u00e9j\u{1f600}';
    const text = `{"identity":{"value":"a\\"b\\\\c\\/d\\be\\ff\\ng\\rh\\ti\\u00e9j😀"}}`;
    expect(takeIdentityBytes(Buffer.from(text))?.toString('utf8')).toBe(value);
  });

  it.each(['{"identity":{"value":"a\\x41"}}', '{"identity":{"value":"a\\u12"}}', '{"identity":{"value":"a\nb"}}'])('refuses %j', text => {
    expect(() => takeIdentityBytes(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
  });
});
