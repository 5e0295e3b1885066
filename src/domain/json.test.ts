import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at, parseJson, rawNumber } from './json.ts';

describe('lossless JSON', () => {
  it.each([
    '9007199254740993',
    '-9223372036854775808',
    '1.10',
    '1.0',
    '1e3',
    '1E+2',
    '0.1',
    '-0',
    '-0.0',
    '123456789012345678901234567890',
  ])('gives the number %s back digit for digit', number => {
    for (const text of [`{"a":${number}}`, `[${number}]`, `{"a":[1,${number},2],"b":${number}}`])
      expect(JSON.stringify(parseJson(text))).toBe(text);
  });

  it('gives any document back as it was, apart from white space', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const text = JSON.stringify(value);
        expect(JSON.stringify(parseJson(text))).toBe(text);
      }),
    );
    for (const text of ['{"__proto__":{"a":1}}', '{"10":"a","2":"1.50"}', '""', '[]']) {
      expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }
  });

  it('keeps ordinary numbers as numbers, so that rules can compare them', () => {
    expect(at(parseJson('{"a":{"b":42}}'), 'a', 'b')).toBe(42);
    expect(rawNumber(at(parseJson('{"a":9007199254740993}'), 'a'))).toBe('9007199254740993');
  });

  it('follows own members only', () => {
    expect(at(parseJson('{}'), 'constructor')).toBeUndefined();
    expect(at(parseJson('{"a":[1]}'), 'a', '0')).toBeUndefined();
  });
});
