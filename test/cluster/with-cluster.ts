import { afterAll, beforeAll } from 'vitest';
import { type ClusterOptions, startCluster, type TestCluster } from './cluster.ts';

/** A cluster for all tests of the calling file or `describe`: up before the first, destroyed after the last. Call the result inside tests. */
export function withCluster(options: ClusterOptions = {}): () => TestCluster {
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster({ unsafeNoFsync: true, ...options });
  });
  afterAll(() => cluster?.destroy());
  return () => {
    if (!cluster) throw new Error('the cluster is up only while tests run');
    return cluster;
  };
}
