import { afterAll, beforeAll } from 'vitest';
import { type ClusterOptions, type ClusterWithNode, startClusterWithNode } from './cluster.ts';
import { describeWhere, type Need } from './duty.ts';
import { holdfastImage } from './holdfast-image.ts';
import { nodeSupport } from './node-support.ts';

const support = await nodeSupport();
const node: Need = {
  what: 'a node',
  missing: support.supported ? undefined : support.reason,
  requiredBy: 'HOLDFAST_TEST_REQUIRE_NODE',
};

/** A `describe` for tests that only run where a node can. */
export function describeWhereNode(name: string, tests: () => void): void {
  describeWhere(node, name, tests);
}

/**
 * A `describe` for tests that need a node, with a cluster that has one: up before the first test, destroyed after the last. Call `cluster`
 * inside tests.
 */
export function describeOnNode(name: string, tests: (cluster: () => ClusterWithNode) => void, options: ClusterOptions = {}): void {
  describeWhereNode(name, () => {
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

/** The same, and the node has Holdfast’s image. */
export function describeOnNodeWithImage(name: string, tests: (cluster: () => ClusterWithNode) => void, options: ClusterOptions = {}): void {
  describeOnNode(name, tests, { images: [holdfastImage], ...options });
}
