import { expect, it } from 'vitest';
import { type NodeSupport, nodeDuty } from '../cluster/node-support.ts';

const none: NodeSupport = { supported: false, reason: 'a node needs root' };
const some: NodeSupport = { supported: true, pluginFolder: '/usr/lib/cni' };

it.each([
  ['run', some, {}],
  ['run', some, { HOLDFAST_TEST_REQUIRE_NODE: '1' }],
  ['skip', none, {}],
  ['skip', none, { HOLDFAST_TEST_REQUIRE_NODE: '' }],
  ['fail', none, { HOLDFAST_TEST_REQUIRE_NODE: '1' }],
] as const)('tests that need a node %s with %j and %j', (duty, support, environment) => {
  expect(nodeDuty(support, environment)).toBe(duty);
});
