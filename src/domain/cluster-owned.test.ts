import { describe, expect, it } from 'vitest';
import { keepClusterOwned, stripClusterOwned } from './cluster-owned.ts';
import type { JsonObject } from './json.ts';

const core = (resource: string) => ({ group: '', resource });

function stripped(kind: { group: string; resource: string }, object: JsonObject, options = {}): JsonObject {
  stripClusterOwned(kind, object, options);
  return object;
}

describe('what a cluster owns', () => {
  it('is the identity of every object, and nothing that its author wrote', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'a',
        uid: 'u',
        resourceVersion: '1',
        generation: 2,
        creationTimestamp: 'now',
        managedFields: [],
        selfLink: '/x',
        finalizers: ['keep.me/please'],
        labels: { a: 'b' },
        annotations: { c: 'd' },
        generateName: 'a-',
      },
      data: { uid: 'not mine', 'odd\u0000': '' },
    };
    expect(stripped(core('configmaps'), object)).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', finalizers: ['keep.me/please'], labels: { a: 'b' }, annotations: { c: 'd' }, generateName: 'a-' },
      data: { uid: 'not mine', 'odd\u0000': '' },
    });
  });

  it('is the address of a service, but not that it has none', () => {
    expect(stripped(core('services'), { spec: { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], type: 'ClusterIP' } })).toEqual({
      spec: { type: 'ClusterIP' },
    });
    const headless = { spec: { clusterIP: 'None', clusterIPs: ['None'] } };
    expect(stripped(core('services'), structuredClone(headless))).toEqual(headless);
  });

  it('are node ports only on request', () => {
    const service = { spec: { ports: [{ port: 80, nodePort: 30080 }] } };
    expect(stripped(core('services'), structuredClone(service))).toEqual(service);
    expect(stripped(core('services'), structuredClone(service), { ignoreNodePorts: true })).toEqual({ spec: { ports: [{ port: 80 }] } });
  });

  it('is the volume of a claim that the cluster bound, not one that the claim asked for', () => {
    const bound = { metadata: { annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes', mine: 'x' } }, spec: { volumeName: 'pv-1' } };
    expect(stripped(core('persistentvolumeclaims'), bound)).toEqual({ metadata: { annotations: { mine: 'x' } } });
    const asked = { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }, spec: { volumeName: 'nfs' } };
    expect(stripped(core('persistentvolumeclaims'), asked)).toEqual({ metadata: {}, spec: { volumeName: 'nfs' } });
  });

  it('is the token mount of a pod, in all its containers', () => {
    const mount = { name: 'kube-api-access-abcde', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
    const pod = {
      spec: {
        nodeName: 'n1',
        priority: 0,
        volumes: [{ name: 'data' }, { name: 'kube-api-access-abcde' }],
        containers: [
          { name: 'a', volumeMounts: [{ name: 'data' }, mount] },
          { name: 'b', volumeMounts: [mount] },
        ],
      },
    };
    expect(stripped(core('pods'), pod)).toEqual({
      spec: { volumes: [{ name: 'data' }], containers: [{ name: 'a', volumeMounts: [{ name: 'data' }] }, { name: 'b' }] },
    });
  });

  it('is the generated selector of a job, unless it was chosen by hand', () => {
    const job = (manualSelector: boolean) => ({
      metadata: { labels: { 'controller-uid': 'u', app: 'x' } },
      spec: {
        manualSelector,
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
        template: { metadata: { labels: { 'batch.kubernetes.io/controller-uid': 'u', 'job-name': 'j' } } },
      },
    });
    const kind = { group: 'batch', resource: 'jobs' };
    expect(stripped(kind, job(false))).toEqual({
      metadata: { labels: { app: 'x' } },
      spec: { manualSelector: false, template: { metadata: { labels: { 'job-name': 'j' } } } },
    });
    expect(stripped(kind, job(true))).toEqual(job(true));
  });

  it('are token secrets: their contents, and their mention in the account', () => {
    const secret = {
      type: 'kubernetes.io/service-account-token',
      metadata: { name: 't' },
      data: { token: 'x', 'ca.crt': 'y', extra: 'z' },
    };
    expect(stripped(core('secrets'), secret)).toMatchObject({ data: { extra: 'z' } });
    expect(stripped(core('secrets'), { type: 'Opaque', data: { token: 'x' } })).toEqual({ type: 'Opaque', data: { token: 'x' } });
    const account = { metadata: { name: 'ci' }, secrets: [{ name: 'ci-token-x7x2p' }, { name: 'registry' }] };
    expect(stripped(core('serviceaccounts'), account)).toEqual({ metadata: { name: 'ci' }, secrets: [{ name: 'registry' }] });
    expect(stripped(core('serviceaccounts'), { metadata: { name: 'ci' }, secrets: [{ name: 'ci-token-x7x2p' }] })).toEqual({
      metadata: { name: 'ci' },
    });
  });

  it('stays as it is when an object is replaced', () => {
    const wanted: JsonObject = { metadata: { name: 'c' }, spec: { accessModes: ['ReadWriteOnce'] } };
    const live = {
      metadata: { name: 'c', annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } },
      spec: { accessModes: ['ReadWriteMany'], volumeName: 'pv-9' },
    };
    keepClusterOwned(core('persistentvolumeclaims'), wanted, live);
    expect(wanted).toEqual({
      metadata: { name: 'c', annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } },
      spec: { accessModes: ['ReadWriteOnce'], volumeName: 'pv-9' },
    });
  });
});
