import { describe, expect, it } from 'vitest';
import { HoldfastError } from './errors.ts';
import { labelMatcher } from './label-selector.ts';

describe('label selectors', () => {
  it.each([
    ['', {}, true],
    ['app=web', { app: 'web' }, true],
    ['app==web', { app: 'api' }, false],
    ['app!=web', {}, true],
    ['app!=web', { app: 'web' }, false],
    ['app', { app: '' }, true],
    ['app', {}, false],
    ['!app', {}, true],
    ['! app', { app: 'x' }, false],
    ['env in (a, b)', { env: 'b' }, true],
    ['env in (a,b)', {}, false],
    ['env notin (a,b)', {}, true],
    ['env notin (a,b)', { env: 'a' }, false],
    ['app=web,tier!=cache,env in (a,b),!canary', { app: 'web', env: 'a' }, true],
    ['app=web,tier!=cache,env in (a,b),!canary', { app: 'web', env: 'a', canary: '' }, false],
    ['app.kubernetes.io/name=x', { 'app.kubernetes.io/name': 'x' }, true],
    ['empty=', { empty: '' }, true],
  ])('%s on %j is %s', (selector, labels, matches) => {
    expect(labelMatcher(selector)(labels)).toBe(matches);
  });

  it.each(['a in b', '!a=b', 'a=b c', '=x', 'a in (b', ','])('refuses %s', selector => {
    expect(() => labelMatcher(selector)).toThrow(HoldfastError);
  });
});
