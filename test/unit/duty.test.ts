import { expect, it } from 'vitest';
import { dutyOf } from '../cluster/duty.ts';

const need = { what: 'a node', requiredBy: 'HOLDFAST_TEST_REQUIRE_NODE' } as const;

it.each([
  ['run', undefined, {}],
  ['run', undefined, { HOLDFAST_TEST_REQUIRE_NODE: '1' }],
  ['skip', 'a node needs root', {}],
  ['skip', 'a node needs root', { HOLDFAST_TEST_REQUIRE_NODE: '' }],
  ['skip', 'a node needs root', { HOLDFAST_TEST_REQUIRE_FUZZER: '1' }],
  ['fail', 'a node needs root', { HOLDFAST_TEST_REQUIRE_NODE: '1' }],
] as const)('tests that need a node %s where it is missing as %j, with %j', (duty, missing, environment) => {
  expect(dutyOf({ ...need, missing }, environment)).toBe(duty);
});
