import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globsOverlap, scopeContains, selectionReaches } from './namespace-scope.ts';
import { everything, globToRegExp } from './selection.ts';

const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 5 });
const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 7 });

describe('a scope of namespaces', () => {
  it('contains its names, and what its globs match', () => {
    expect(scopeContains(['team-a', 'dev-*'], 'team-a')).toBe(true);
    expect(scopeContains(['team-a', 'dev-*'], 'dev-1')).toBe(true);
    expect(scopeContains(['team-a', 'dev-*'], 'dev-x-*')).toBe(true);
    expect(scopeContains(['team-a', 'dev-*'], 'team-*')).toBe(false);
    expect(scopeContains(['team-a', 'dev-*'], '*')).toBe(false);
    expect(scopeContains(['team-?'], 'team-*')).toBe(false);
  });

  it('never contains a pattern that can mean a namespace outside of it', () => {
    fc.assert(
      fc.property(glob, glob, name, (own, pattern, namespace) => {
        fc.pre(scopeContains([own], pattern) && globToRegExp(pattern).test(namespace));
        expect(globToRegExp(own).test(namespace)).toBe(true);
      }),
    );
  });
});

describe('two globs', () => {
  it('overlap where one name matches both', () => {
    fc.assert(
      fc.property(glob, glob, name, (a, b, namespace) => {
        fc.pre(globToRegExp(a).test(namespace) && globToRegExp(b).test(namespace));
        expect(globsOverlap(a, b)).toBe(true);
      }),
    );
  });

  it.each([
    ['team-a', 'team-b'],
    ['a*', 'b*'],
    ['?', '??'],
    ['*-x', '*-y'],
  ])('%s and %s do not', (a, b) => {
    expect(globsOverlap(a, b)).toBe(false);
  });
});

describe('a selection', () => {
  const reaches = (includeNamespaces: string[], excludeNamespaces: string[], scope: string[]) =>
    selectionReaches({ ...everything, includeNamespaces, excludeNamespaces }, scope);

  it('reaches a scope that it does not leave out', () => {
    expect(reaches([], [], ['team-a'])).toBe(true);
    expect(reaches(['team-*'], [], ['team-a'])).toBe(true);
    expect(reaches(['other'], [], ['team-a', 'team-b'])).toBe(false);
    expect(reaches([], ['team-*'], ['team-a'])).toBe(false);
    expect(reaches([], ['team-a'], ['team-*'])).toBe(true);
  });
});
