import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from './json.ts';
import { canonicalJson, differences, equalJson } from './json-compare.ts';

const json = (text: string) => parseJson(text);

describe('comparing JSON', () => {
  it('does not care for the order of members, and does for that of items', () => {
    expect(equalJson(json('{"a":1,"b":[1,2]}'), json('{"b":[1,2],"a":1}'))).toBe(true);
    expect(equalJson(json('[1,2]'), json('[2,1]'))).toBe(false);
    expect(canonicalJson(json('{"b":1,"a":{"d":2,"c":3}}'))).toBe('{"a":{"c":3,"d":2},"b":1}');
  });

  it('tells numbers apart that are the same double', () => {
    const [a, b] = [json('{"n":9223372036854775807}'), json('{"n":9223372036854775806}')];
    expect(equalJson(a, b)).toBe(false);
    expect(equalJson(a, json('{ "n": 9223372036854775807 }'))).toBe(true);
    expect(canonicalJson(a)).toBe('{"n":9223372036854775807}');
    expect(differences(a, b)).toEqual([{ path: '/n', wanted: '9223372036854775807', live: '9223372036854775806' }]);
  });

  it('agrees on equality and canonical text for all values', () => {
    const value = fc.jsonValue({ maxDepth: 3 }).map(one => json(JSON.stringify(one)));
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(equalJson(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
        expect(differences(a, b).length > 0).toBe(!equalJson(a, b));
      }),
    );
  });

  it('takes a member for a member whatever it is called', () => {
    expect(equalJson({}, json('{"toString":null}'))).toBe(false);
    expect(differences({}, json('{"toString":null,"constructor":{}}')).map(difference => difference.path)).toEqual([
      '/toString',
      '/constructor',
    ]);
  });

  it('names the deepest place, whether one side lacks it, and no more places than asked', () => {
    const found = differences({ a: { 'x/y': [1, 2], same: 1 } }, { a: { 'x/y': [1, 3, 4], same: 1 } });
    expect(found).toEqual([
      { path: '/a/x~1y/1', wanted: '2', live: '3' },
      { path: '/a/x~1y/2', live: '4' },
    ]);
    expect(differences([1, 2, 3], [4, 5, 6], { limit: 2 })).toHaveLength(2);
  });

  it('hides values on request and cuts long ones', () => {
    expect(differences({ s: 'secret' }, { s: 'other' }, { hide: true })).toEqual([{ path: '/s' }]);
    expect(differences({ s: 'x'.repeat(500) }, {})[0]?.wanted).toHaveLength(201);
  });
});
