import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelection, everything, globToRegExp } from './selection.ts';

const object = (resource: string, namespace: string, name: string, group = '') => ({ group, resource, namespace, name });

describe('selection', () => {
  it('takes everything by default', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (namespace, name) =>
        compileSelection(everything).object(object('configmaps', namespace, name)),
      ),
    );
  });

  it('treats * and ? as wildcards and everything else as itself', () => {
    expect(globToRegExp('a.b*').test('a.bc')).toBe(true);
    expect(globToRegExp('a.b*').test('axbc')).toBe(false);
    expect(globToRegExp('a?c').test('abc')).toBe(true);
    fc.assert(fc.property(fc.string(), text => globToRegExp(text.replace(/[*?]/g, '')).test(text.replace(/[*?]/g, ''))));
  });

  it('lets exclude win over include', () => {
    const selector = compileSelection({ ...everything, includeNamespaces: ['agent-*'], excludeNamespaces: ['agent-x'] });
    expect(selector.object(object('secrets', 'agent-a', 's'))).toBe(true);
    expect(selector.object(object('secrets', 'agent-x', 's'))).toBe(false);
    expect(selector.object(object('secrets', 'other', 's'))).toBe(false);
  });

  it('follows kubectl’s names of kinds', () => {
    const selector = compileSelection({ ...everything, includeKinds: ['*.argoproj.io', 'configmaps'] });
    expect(selector.object(object('workflows', 'a', 'w', 'argoproj.io'))).toBe(true);
    expect(selector.object(object('configmaps', 'a', 'c'))).toBe(true);
    expect(selector.object(object('secrets', 'a', 's'))).toBe(false);
  });

  it('takes the Namespace objects of the selected namespaces along, and no other cluster-scoped ones unless told to', () => {
    const some = { ...everything, includeNamespaces: ['a'] };
    expect(compileSelection(some).object(object('namespaces', '', 'a'))).toBe(true);
    expect(compileSelection(some).object(object('namespaces', '', 'b'))).toBe(false);
    expect(compileSelection(some).object(object('clusterroles', '', 'r', 'rbac.authorization.k8s.io'))).toBe(false);
    expect(
      compileSelection({ ...some, clusterScoped: 'always' }).object(object('clusterroles', '', 'r', 'rbac.authorization.k8s.io')),
    ).toBe(true);
    expect(compileSelection({ ...everything, clusterScoped: 'never' }).object(object('namespaces', '', 'a'))).toBe(false);
  });
});
