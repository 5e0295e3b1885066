import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../domain/json.ts';
import { takesMovers } from './mover-nodes.ts';

const node = (spec: JsonObject = {}, labels: JsonObject = {}): JsonObject => ({ metadata: { name: 'n', labels }, spec });

describe('a node takes movers', () => {
  it('when it has the labels that they ask for', () => {
    expect(takesMovers(node(), {})).toBe(true);
    expect(takesMovers(node({}, { pool: 'backup', zone: 'a' }), { pool: 'backup' })).toBe(true);
    expect(takesMovers(node({}, { pool: 'apps' }), { pool: 'backup' })).toBe(false);
    expect(takesMovers(node(), { pool: '' })).toBe(false);
  });

  it('unless it is cordoned, or tainted so that they are not let in', () => {
    expect(takesMovers(node({ unschedulable: true }), {})).toBe(false);
    expect(takesMovers(node({ taints: [{ key: 'gpu', effect: 'NoSchedule' }] }), {})).toBe(false);
    expect(takesMovers(node({ taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] }), {})).toBe(false);
    expect(takesMovers(node({ taints: [{ key: 'busy', effect: 'PreferNoSchedule' }] }), {})).toBe(true);
  });
});
