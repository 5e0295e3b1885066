import { afterAll, beforeAll, describe } from 'vitest';
import { type ClusterOptions, type ClusterWithNode, startClusterWithNode } from './cluster.ts';
import { nodeSupport } from './node-support.ts';

const support = await nodeSupport();

/**
 * A `describe` for tests that need a node, with a cluster that has one: up before the first test, destroyed after the last. Where no node
 * can run it is skipped, and its name says why. Call `cluster` inside tests.
 */
export function describeOnNode(name: string, tests: (cluster: () => ClusterWithNode) => void, options: ClusterOptions = {}): void {
  const title = support.supported ? name : `${name} (skipped: ${support.reason})`;
  describe.skipIf(!support.supported)(title, () => {
    let cluster: ClusterWithNode | undefined;
    beforeAll(async () => {
      cluster = await startClusterWithNode({ unsafeNoFsync: true, ...options });
    });
    afterAll(() => cluster?.destroy());
    tests(() => {
      if (!cluster) throw new Error('the cluster is up only while tests run');
      return cluster;
    });
  });
}
