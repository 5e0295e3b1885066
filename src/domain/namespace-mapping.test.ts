import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import { mapNamespaces, mappedPlace } from './namespace-mapping.ts';

const mapping = { agents: 'agents-copy' };
const mapped = (kind: { group: string; resource: string }, object: JsonObject): JsonObject => {
  mapNamespaces(kind, object, mapping);
  return object;
};

describe('namespace mapping', () => {
  it('moves an object, and leaves those of other namespaces', () => {
    const kind = { group: '', resource: 'configmaps' };
    expect(mapped(kind, { metadata: { namespace: 'agents' } })).toEqual({ metadata: { namespace: 'agents-copy' } });
    expect(mapped(kind, { metadata: { namespace: 'other' } })).toEqual({ metadata: { namespace: 'other' } });
    expect(mappedPlace(mapping, { ...kind, namespace: 'agents', name: 'agents' })).toEqual({ namespace: 'agents-copy', name: 'agents' });
  });

  it('renames the namespace itself with its own label', () => {
    const kind = { group: '', resource: 'namespaces' };
    const object = { metadata: { name: 'agents', labels: { 'kubernetes.io/metadata.name': 'agents', team: 'agents' } } };
    expect(mapped(kind, object)).toEqual({
      metadata: { name: 'agents-copy', labels: { 'kubernetes.io/metadata.name': 'agents-copy', team: 'agents' } },
    });
    expect(mappedPlace(mapping, { ...kind, namespace: '', name: 'agents' })).toEqual({ namespace: '', name: 'agents-copy' });
  });

  it('follows subjects of bindings, by namespace and by the names that service accounts have as users and groups', () => {
    const object = {
      subjects: [
        { kind: 'ServiceAccount', name: 'agents', namespace: 'agents' },
        { kind: 'User', name: 'system:serviceaccount:agents:runner' },
        { kind: 'Group', name: 'system:serviceaccounts:agents' },
        { kind: 'User', name: 'agents' },
      ],
    };
    expect(mapped({ group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings' }, object)['subjects']).toEqual([
      { kind: 'ServiceAccount', name: 'agents', namespace: 'agents-copy' },
      { kind: 'User', name: 'system:serviceaccount:agents-copy:runner' },
      { kind: 'Group', name: 'system:serviceaccounts:agents-copy' },
      { kind: 'User', name: 'agents' },
    ]);
  });

  it('follows the services of webhooks and the selectors of network policies', () => {
    const webhook = {
      webhooks: [{ clientConfig: { service: { namespace: 'agents', name: 'hook' } } }, { clientConfig: { url: 'https://x' } }],
    };
    mapped({ group: 'admissionregistration.k8s.io', resource: 'validatingwebhookconfigurations' }, webhook);
    expect(webhook.webhooks[0]?.clientConfig.service?.namespace).toBe('agents-copy');
    const label = 'kubernetes.io/metadata.name';
    const policy = { spec: { ingress: [{ from: [{ namespaceSelector: { matchLabels: { [label]: 'agents' } } }] }] } };
    mapped({ group: 'networking.k8s.io', resource: 'networkpolicies' }, policy);
    expect(policy.spec.ingress[0]?.from[0]?.namespaceSelector.matchLabels[label]).toBe('agents-copy');
  });
});
