import { describe, expect, it } from 'vitest';
import { changeStringsAt, jsonPath, removeAt } from './json-paths.ts';

describe('json paths', () => {
  it('reads the escapes of RFC 6901', () => {
    expect(jsonPath('/metadata/annotations/a.b~1c~0d')).toEqual(['metadata', 'annotations', 'a.b/c~d']);
  });

  it('removes a member, and every matching item or member below a star', () => {
    const object = { spec: { a: 1, list: [{ x: 1, y: 1 }, { x: 2 }], map: { p: 'one', q: 'two' }, names: ['k-1', 'm'] } };
    expect(removeAt(object, jsonPath('/spec/a'))).toBe(true);
    removeAt(object, jsonPath('/spec/list/*/x'));
    removeAt(object, jsonPath('/spec/map/*'), value => value === 'two');
    removeAt(object, jsonPath('/spec/names/*'), value => String(value).startsWith('k-'));
    expect(object).toEqual({ spec: { list: [{ y: 1 }, {}], map: { p: 'one' }, names: ['m'] } });
  });

  it('leaves alone what has another shape', () => {
    const object = { spec: [1, 2], name: 'x', none: null };
    expect(removeAt(object, jsonPath('/spec/name'))).toBe(false);
    expect(removeAt(object, jsonPath('/name/x/y'))).toBe(false);
    expect(removeAt(object, jsonPath('/none/*'))).toBe(false);
    expect(removeAt(object, jsonPath('/toString'))).toBe(false);
    changeStringsAt(object, jsonPath('/spec/name'), () => 'changed');
    expect(object).toEqual({ spec: [1, 2], name: 'x', none: null });
  });

  it('changes strings only', () => {
    const object = { a: [{ n: 'x' }, { n: 3 }, { m: 'x' }], l: ['x', 1] };
    changeStringsAt(object, jsonPath('/a/*/n'), text => `${text}!`);
    changeStringsAt(object, jsonPath('/l/*'), text => `${text}?`);
    expect(object).toEqual({ a: [{ n: 'x!' }, { n: 3 }, { m: 'x' }], l: ['x?', 1] });
  });
});
