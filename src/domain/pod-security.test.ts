import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import { restrainingLabels, restrainNamespace } from './pod-security.ts';

const label = (mode: string) => `pod-security.kubernetes.io/${mode}`;

function namespaceWith(labels: Record<string, string>, annotations: Record<string, string> = {}): JsonObject {
  return { kind: 'Namespace', metadata: { name: 'team-a', labels: { ...labels }, annotations: { ...annotations } } };
}

function restrained(labels: Record<string, string>, source?: Record<string, string>) {
  const namespace = namespaceWith({ 'istio-injection': 'enabled', ...labels });
  const notes = restrainNamespace(namespace, source && namespaceWith(source));
  const { 'istio-injection': kept, ...rest } = (namespace['metadata'] as JsonObject)['labels'] as JsonObject;
  expect(kept).toBe('enabled');
  return { labels: rest, notes };
}

describe('a Namespace that is made for a tenant', () => {
  it.each([
    [{}],
    [{ [label('enforce')]: 'restricted', [label('enforce-version')]: 'v1.30', [label('warn')]: 'baseline' }],
    [{ [label('audit')]: 'baseline' }],
  ])('keeps what restrains, and all other labels: %j', labels => {
    expect(restrained(labels)).toEqual({ labels, notes: [] });
  });

  it.each([
    ['a level that restrains nothing, with its version', { [label('enforce')]: 'privileged', [label('enforce-version')]: 'v1.30' }],
    ['a level that there is not', { [label('audit')]: 'Restricted' }],
    ['a version without a level, which would pin the cluster’s own', { [label('warn-version')]: 'v1.0' }],
  ])('loses %s', (_what, labels) => {
    const { labels: left, notes } = restrained(labels as Record<string, string>);
    expect(left).toEqual({});
    expect(notes).toEqual([expect.stringContaining(Object.keys(labels)[0]!)]);
  });

  it.each([
    ['stricter', 'baseline', { [label('enforce')]: 'restricted' }],
    ['there at all', undefined, { [label('enforce')]: 'baseline', [label('enforce-version')]: 'v1.31' }],
    ['of another version', 'baseline', { [label('enforce')]: 'baseline' }],
  ])('has the level of the living one that it is a copy of, where that is %s', (_what, level, source) => {
    const own = level === undefined ? {} : { [label('enforce')]: level, [label('enforce-version')]: 'v1.20' };
    const { labels, notes } = restrained(own as Record<string, string>, source as Record<string, string>);
    expect(labels).toEqual(source);
    expect(notes).toEqual([expect.stringContaining(`${label('enforce')}=${Object.values(source)[0]}`)]);
  });

  it('keeps its own level where the living one is laxer', () => {
    const own = { [label('enforce')]: 'restricted' };
    for (const level of ['privileged', 'baseline'])
      expect(restrained(own, { [label('enforce')]: level })).toEqual({ labels: own, notes: [] });
    expect(restrained(own, {})).toEqual({ labels: own, notes: [] });
  });

  it('gets labels where it had none', () => {
    const namespace: JsonObject = { kind: 'Namespace', metadata: { name: 'team-a' } };
    expect(restrainNamespace(namespace, namespaceWith({ [label('enforce')]: 'baseline' }))).toHaveLength(1);
    expect(namespace['metadata']).toEqual({ name: 'team-a', labels: { [label('enforce')]: 'baseline' } });
  });

  it('loses what a cluster allocates, and no other annotation', () => {
    const namespace = namespaceWith({}, { 'openshift.io/sa.scc.uid-range': '1000660000/10000', 'openshift.io/node-selector': 'team=a' });
    expect(restrainNamespace(namespace, undefined)).toEqual([expect.stringContaining('openshift.io/sa.scc.uid-range')]);
    expect((namespace['metadata'] as JsonObject)['annotations']).toEqual({ 'openshift.io/node-selector': 'team=a' });
  });
});

describe('the labels of a namespace that restrain', () => {
  it('are levels above privileged, with their versions', () => {
    const labels = { [label('enforce')]: 'privileged', [label('audit')]: 'baseline', [label('audit-version')]: 'v1.30', team: 'a' };
    expect(restrainingLabels(namespaceWith(labels))).toEqual({ [label('audit')]: 'baseline', [label('audit-version')]: 'v1.30' });
    expect(restrainingLabels(undefined)).toEqual({});
  });
});
