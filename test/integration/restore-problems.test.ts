import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { problemLimit } from '../../src/domain/restore-plan.ts';
import { openSet } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { configMap, makeRepository, type TestObject, type TestRepository, writeSet } from '../contract/repository-fixture.ts';
import { connect } from '../helpers/journey.ts';
import { restore } from '../helpers/restore.ts';

/** Its owner is on no cluster and in no set: it comes back with a warning. */
function orphan(name: string): TestObject {
  const { ref } = configMap(name);
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'nowhere', uid: '00000000-0000-4000-8000-000000000000' };
  const metadata = { name, namespace: ref.namespace, uid: `uid-of-${name}`, ownerReferences: [owner] };
  return { ref, json: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { name } }) };
}

describe('a restore with more problems than it names', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let made: TestRepository;

  beforeAll(async () => {
    [cluster, made] = await Promise.all([startCluster({ name: 'restore-problems', unsafeNoFsync: true }), makeRepository()]);
    api = await connect(cluster);
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await made?.remove();
  });

  it('is not Completed when one object fails after a thousand warnings, and names that one first', async () => {
    const orphans = Array.from({ length: problemLimit + 1 }, (_, i) => orphan(`orphan-${i}`));
    // No API server takes this name.
    const { manifest } = await writeSet(made.repository, made.keys, { objects: [...orphans, configMap('Not_A_Name')] });
    const set = await openSet(made.repository, manifest.id, { identities: [made.keys.identity] });
    const outcome = await restore(set, api);
    // With the namespace, which is not in the set.
    expect(outcome.totals).toMatchObject({ create: problemLimit + 2, fail: 1 });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.problems[0]).toMatchObject({ severity: 'failed', item: 'configmaps agents/Not_A_Name', code: 'CLUSTER_REJECTED' });
    expect(outcome.problems).toHaveLength(problemLimit);
    // Among the warnings is one of that namespace.
    expect(outcome.problemsOmitted).toBe(3);
  });
});

describe('a restore of a definition and an object of it', () => {
  const group = 'example.com';
  const definition: TestObject = {
    ref: { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions', namespace: '', name: `gadgets.${group}` },
    json: JSON.stringify({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `gadgets.${group}`, uid: 'uid-of-definition' },
      spec: {
        group,
        scope: 'Cluster',
        names: { kind: 'Gadget', plural: 'gadgets', singular: 'gadget' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    }),
  };
  const gadget: TestObject = {
    ref: { group, version: 'v1', resource: 'gadgets', namespace: '', name: 'one' },
    json: JSON.stringify({ apiVersion: `${group}/v1`, kind: 'Gadget', metadata: { name: 'one', uid: 'uid-of-one' } }),
  };

  it('waits until objects of it are answered, which a busy API server does long after it says so', async () => {
    const [cluster, made] = await Promise.all([
      startCluster({ name: 'restore-late', controllers: false, unsafeNoFsync: true }),
      makeRepository(),
    ]);
    try {
      const { manifest } = await writeSet(made.repository, made.keys, { objects: [definition, gadget] });
      const set = await openSet(made.repository, manifest.id, { identities: [made.keys.identity] });
      const api = await connect(cluster);
      let unanswered = 25;
      const late = <Args extends readonly [{ readonly resource: string }, ...unknown[]], Answer>(
        call: (...args: Args) => Promise<Answer>,
      ) => {
        return async (...args: Args): Promise<Answer> => {
          if (args[0].resource === 'gadgets' && unanswered-- > 0) throw new HoldfastError('CLUSTER_NOT_FOUND', '404 page not found');
          return call(...args);
        };
      };
      const outcome = await restore(set, {
        ...api,
        list: late(api.list),
        get: late(api.get),
        create: late(api.create),
        patch: late(api.patch),
      });
      await api.close();
      expect(outcome.problems).toEqual([]);
      expect(outcome).toMatchObject({ phase: 'Completed', totals: { create: 2 } });
    } finally {
      await cluster.destroy();
      await made.remove();
    }
  });
});
