import { afterAll, beforeAll, describe, test } from 'vitest';
import { type ClusterOptions, type ClusterWithNode, startClusterWithNode } from './cluster.ts';
import { holdfastImage } from './holdfast-image.ts';
import { nodeDuty, nodeSupport } from './node-support.ts';

const support = await nodeSupport();

/** A `describe` for tests that only run where a node can. Elsewhere they are skipped, or fail where a node is required, and say why. */
export function describeWhereNode(name: string, tests: () => void): void {
  if (support.supported) describe(name, tests);
  else if (nodeDuty(support, process.env) === 'skip') describe.skip(`${name} (skipped: ${support.reason})`, tests);
  else {
    test(name, () => {
      throw new Error(`HOLDFAST_TEST_REQUIRE_NODE asks for a node, and none can run here: ${support.reason}`);
    });
  }
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
