import { describe, expect, it } from 'vitest';
import type { Discovery } from '../cluster/cluster-api.ts';
import type { ResourceKind } from '../domain/resource.ts';
import { everything } from '../domain/selection.ts';
import { planRead } from './read-plan.ts';

function kind(resource: string, group = '', changes: Partial<ResourceKind> = {}): ResourceKind {
  return {
    group,
    version: 'v1',
    resource,
    kind: resource,
    namespaced: true,
    verbs: ['list', 'create', 'watch'],
    subresources: [],
    ...changes,
  };
}

function discovery(kinds: ResourceKind[], changes: Partial<Discovery> = {}): Discovery {
  return { kinds, servedVersions: new Map(), unavailable: [], aggregatedGroups: new Set(), ...changes };
}

const names = (kinds: readonly ResourceKind[]): string[] => kinds.map(one => one.resource);

describe('what a backup reads', () => {
  it('is every kind except what a cluster makes for itself, each with its reason', () => {
    const plan = planRead(
      discovery([kind('configmaps'), kind('events'), kind('leases', 'coordination.k8s.io'), kind('workflows', 'argoproj.io')]),
      everything,
    );
    expect(names(plan.kinds)).toEqual(['configmaps', 'workflows']);
    expect(plan.excluded.map(one => one.what)).toEqual(['events', 'leases.coordination.k8s.io']);
    expect(plan.excluded.every(one => one.reason !== '')).toBe(true);
  });

  it('leaves out what cannot be written back, and says nothing of what cannot even be listed', () => {
    const plan = planRead(
      discovery([kind('pods', 'metrics.k8s.io', { verbs: ['get', 'list'] }), kind('tokenreviews', '', { verbs: ['create'] })]),
      everything,
    );
    expect(plan.kinds).toEqual([]);
    expect(plan.excluded).toEqual([{ what: 'pods.metrics.k8s.io', reason: 'read-only: the API offers no way to write it back' }]);
  });

  it('takes cluster-scoped kinds only without a namespace pattern, but Namespace objects always', () => {
    const kinds = [kind('namespaces', '', { namespaced: false }), kind('clusterroles', 'rbac', { namespaced: false }), kind('secrets')];
    expect(names(planRead(discovery(kinds), everything).kinds)).toEqual(['namespaces', 'clusterroles', 'secrets']);
    expect(names(planRead(discovery(kinds), { ...everything, includeNamespaces: ['agents'] }).kinds)).toEqual(['namespaces', 'secrets']);
  });

  it('lists a few named namespaces one by one, patterns by filtering', () => {
    expect(planRead(discovery([]), { ...everything, includeNamespaces: ['a', 'b'] }).namespaces).toEqual(['a', 'b']);
    expect(planRead(discovery([]), { ...everything, includeNamespaces: ['a*'] }).namespaces).toEqual([]);
  });

  it('makes a silent API group a problem unless the selection leaves that group out', () => {
    const silent = discovery([], { unavailable: [{ groupVersion: 'metrics.k8s.io/v1beta1', message: 'no endpoints' }] });
    expect(planRead(silent, everything).problems.map(one => [one.item, one.code])).toEqual([
      ['metrics.k8s.io/v1beta1', 'DISCOVERY_INCOMPLETE'],
    ]);
    expect(planRead(silent, { ...everything, excludeKinds: ['*.metrics.k8s.io'] }).problems).toEqual([]);
  });
});
