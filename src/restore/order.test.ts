import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { restoreSteps } from '../domain/restore-plan.ts';
import { baseRank, isAdoptedLater, type OwnershipNode, ranksOfOwned, stepOf, stepOfRank } from './order.ts';

const kind = (name: string) => {
  const [resource = '', ...group] = name.split('.');
  return { group: group.join('.'), resource };
};

describe('the order of a restore', () => {
  it('is that of the runbook', () => {
    const names = [
      'customresourcedefinitions.apiextensions.k8s.io',
      'namespaces',
      'clusterroles.rbac.authorization.k8s.io',
      'configmaps',
      'secrets',
      'persistentvolumeclaims',
      'certificates.cert-manager.io',
      'deployments.apps',
      'workflows.argoproj.io',
      'resourcequotas',
      'validatingwebhookconfigurations.admissionregistration.k8s.io',
    ];
    expect(names.map(name => stepOf(kind(name)))).toEqual([...restoreSteps]);
    const ranks = names.map(name => baseRank(kind(name)));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(ranks.map(stepOfRank)).toEqual([...restoreSteps]);
  });

  it('has service accounts before secrets, and what deployments adopt before them', () => {
    expect(baseRank(kind('serviceaccounts'))).toBeLessThan(baseRank(kind('secrets')));
    expect(baseRank(kind('replicasets.apps'))).toBeLessThan(baseRank(kind('deployments.apps')));
    expect(baseRank(kind('controllerrevisions.apps'))).toBeLessThan(baseRank(kind('statefulsets.apps')));
    expect(isAdoptedLater(kind('replicasets.apps'), kind('deployments.apps'))).toBe(true);
    expect(isAdoptedLater(kind('replicasets.apps'), kind('rollouts.argoproj.io'))).toBe(false);
  });

  it('puts what is owned after its owners, in whatever step these are', () => {
    const node = (name: string, ...owners: string[]): OwnershipNode => ({ ...kind(name), owners });
    const ranks = ranksOfOwned(
      new Map([
        ['config', node('configmaps', 'run')],
        ['run', node('coderuns.agents.platform', 'workflow')],
        ['workflow', node('workflows.argoproj.io')],
        ['replicas', node('replicasets.apps', 'deployment')],
        ['deployment', node('deployments.apps', 'sensor')],
        ['sensor', node('sensors.argoproj.io')],
      ]),
    );
    const rank = (uid: string) => ranks.get(uid) ?? Number.NaN;
    expect(rank('workflow')).toBeLessThan(rank('run'));
    expect(rank('run')).toBeLessThan(rank('config'));
    expect(stepOfRank(rank('config'))).toBe('workflows');
    expect(rank('sensor')).toBeLessThan(rank('deployment'));
    expect(rank('replicas')).toBeLessThan(rank('deployment'));
  });

  it('holds for any graph of owners, circles included', () => {
    const names = ['configmaps', 'secrets', 'workflows.argoproj.io', 'deployments.apps', 'replicasets.apps', 'coderuns.agents.platform'];
    const graph = fc.array(fc.tuple(fc.constantFrom(...names), fc.array(fc.nat(19), { maxLength: 3 })), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(graph, fc.boolean(), (nodes, circles) => {
        const map = new Map(
          nodes.map(([name, owners], i) => {
            const before = circles ? owners : owners.filter(owner => owner < i);
            return [String(i), { ...kind(name), owners: before.map(String) }] as const;
          }),
        );
        const ranks = ranksOfOwned(map);
        for (const [uid, node] of map) {
          expect(ranks.get(uid)).toBeGreaterThanOrEqual(baseRank(node));
          if (circles) continue;
          for (const owner of node.owners) {
            const above = map.get(owner);
            if (above === undefined || isAdoptedLater(node, above)) continue;
            expect(ranks.get(uid)).toBeGreaterThan(ranks.get(owner) ?? 0);
          }
        }
      }),
    );
  });
});
