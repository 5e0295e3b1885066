import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
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
    expect(outcome.totals).toMatchObject({ create: problemLimit + 1, fail: 1 });
    expect(outcome.phase).toBe('PartiallyFailed');
    expect(outcome.problems[0]).toMatchObject({ severity: 'failed', item: 'configmaps agents/Not_A_Name', code: 'CLUSTER_REJECTED' });
    expect(outcome.problems).toHaveLength(problemLimit);
    // Among the warnings is one of the namespace, which is not in the set.
    expect(outcome.problemsOmitted).toBe(3);
  });
});
