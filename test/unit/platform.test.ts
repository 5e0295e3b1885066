import { describe, expect, test } from 'vitest';
import { generatedNamespaces, platformObjects } from '../fixtures/platform/generate.ts';
import { fakePem } from '../fixtures/platform/secrets.ts';
import { nodeId, workflowStatus } from '../fixtures/platform/workflow-status.ts';

describe('generated objects', () => {
  test('are as many as asked for and the same at every call', () => {
    const first = [...platformObjects(700, 3)];
    expect(first).toHaveLength(700);
    expect([...platformObjects(700, 3)]).toEqual(first);
    expect([...platformObjects(700, 4)]).not.toEqual(first);
  });

  test.each([1, 2, 500, 501, 20_000])('are exactly %i where so many are asked for', objects => {
    let made = 0;
    for (const _ of platformObjects(objects)) made += 1;
    expect(made).toBe(objects);
  });

  test('have no name twice, and the namespaces of all of them come first', () => {
    const objects = [...platformObjects(2_000)];
    const bodies = objects.map(object => JSON.parse(object.body) as { kind: string; metadata: { name: string; namespace?: string } });
    const namespaces = bodies.slice(0, generatedNamespaces(2_000));
    expect(namespaces.every(body => body.kind === 'Namespace')).toBe(true);
    const names = new Set(namespaces.map(body => body.metadata.name));
    expect(bodies.slice(names.size).every(body => names.has(body.metadata.namespace ?? ''))).toBe(true);
    expect(new Set(objects.map((object, n) => `${object.apiPath}/${bodies[n]?.metadata.name}`)).size).toBe(2_000);
  });
});

describe('workflow status', () => {
  const step = { type: 'Pod', phase: 'Succeeded', from: 0, until: 2 } as const;

  test('gives nodes the ids of the real controller', () => {
    expect(nodeId('half0', 'half0')).toBe('half0');
    expect(nodeId('half0', 'half0[0].implement')).toBe('half0-1121039313');
    expect(nodeId('half0', 'half0[1].wait-for-pr')).toBe('half0-721367537');
  });

  test('sums progress and durations over what follows a node', () => {
    const groups = [[{ ...step, name: 'a' }], [{ ...step, name: 'b', phase: 'Failed', from: 2, until: 5 } as const]];
    const status = workflowStatus({ name: 'w', namespace: 'n', phase: 'Failed', startedAt: '2026-01-01T00:00:00Z', groups });
    expect(status).toMatchObject({
      phase: 'Failed',
      finishedAt: '2026-01-01T00:05:00Z',
      progress: '1/2',
      resourcesDuration: { cpu: 300, memory: 6000 },
    });
    const nodes = status.nodes as Record<string, { progress: string; children?: string[] }>;
    expect(nodes[nodeId('w', 'w[1]')]?.progress).toBe('0/1');
    expect(nodes[nodeId('w', 'w[0].a')]?.children).toEqual([nodeId('w', 'w[1]')]);
  });
});

test('what looks like a key is the same at every call, differs by name, and is none', () => {
  expect(fakePem('PRIVATE KEY', 'a')).toBe(fakePem('PRIVATE KEY', 'a'));
  expect(fakePem('PRIVATE KEY', 'a')).not.toBe(fakePem('PRIVATE KEY', 'b'));
  expect(fakePem('PRIVATE KEY', 'a').split('\n')[1]).toMatch(/^[A-Za-z0-9+/]{64}$/);
});
