import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createVolumeMetrics, type VolumeMetrics } from './volume-metrics.ts';

const tier = { policy: 'platform', tier: 'daily' };
const counts = { claims: 9, snapshotted: 7, moved: 6, notProtected: 1, failed: 2, bytes: 4_000, addedBytes: 30 };
const done = { repository: 'volumes/agents/one/', forgotten: 3, state: 'done', reason: '' } as const;
const failed = { ...done, forgotten: 0, state: 'failed', reason: 'damaged', code: 'VOLUME_DATA_DAMAGED' } as const;

async function measured(work: (metrics: VolumeMetrics) => void): Promise<Map<string, number>> {
  const registry = new Registry();
  work(createVolumeMetrics(registry));
  const lines = (await registry.metrics()).split('\n').filter(line => line.startsWith('holdfast_'));
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))] as const));
}

it('a set says what became of its claims, and of no claim its name', async () => {
  const values = await measured(metrics => {
    metrics.captured(tier, { ...counts, failed: 5 });
    metrics.captured(tier, counts);
    metrics.failed('backup', 'MOVER_FAILED', 2);
  });
  const claims = (state: string) => values.get(`holdfast_volume_claims{policy="platform",tier="daily",state="${state}"}`);
  expect([claims('captured'), claims('not-protected'), claims('failed')]).toEqual([6, 1, 2]);
  expect(values.get('holdfast_volume_snapshots{policy="platform",tier="daily"}')).toBe(7);
  expect(values.get('holdfast_volume_bytes{policy="platform",tier="daily"}')).toBe(4_000);
  expect(values.get('holdfast_volume_failures_total{doing="backup",code="MOVER_FAILED"}')).toBe(2);
});

it('movers are counted while they work, and when they have ended', async () => {
  const values = await measured(metrics => {
    for (let i = 0; i < 3; i++) metrics.moverBegan('backup');
    metrics.moverEnded({ action: 'backup', result: 'completed', seconds: 4, bytes: 1_000, addedBytes: 20 });
    metrics.moverEnded({ action: 'backup', result: 'failed', seconds: 2, bytes: 0, addedBytes: 0 });
  });
  expect(values.get('holdfast_volume_movers_running{action="backup"}')).toBe(1);
  expect(values.get('holdfast_volume_movers_running{action="restore"}')).toBe(0);
  expect(values.get('holdfast_volume_movers_total{action="backup",result="failed"}')).toBe(1);
  expect(values.get('holdfast_volume_movers_total{action="check",result="failed"}')).toBe(0);
  expect(values.get('holdfast_volume_mover_duration_seconds_sum{action="backup"}')).toBe(6);
  expect(values.get('holdfast_volume_processed_bytes_total{action="backup"}')).toBe(1_000);
  expect(values.get('holdfast_volume_added_bytes_total')).toBe(20);
});

it('only an upkeep that did everything is a success', async () => {
  const at = 'holdfast_volume_upkeep_last_success_timestamp_seconds';
  const half = await measured(metrics => metrics.upkeepEnded({ items: [done, failed], repositories: 5, notices: [] }));
  expect(half.has(at)).toBe(false);
  expect(half.get('holdfast_volume_upkeep_repositories{state="failed"}')).toBe(1);
  expect(half.get('holdfast_volume_failures_total{doing="upkeep",code="VOLUME_DATA_DAMAGED"}')).toBe(1);
  const unread = await measured(metrics => metrics.upkeepEnded({ items: [], repositories: 5, notices: ['a set cannot be read'] }));
  expect(unread.has(at)).toBe(false);
  const whole = await measured(metrics => metrics.upkeepEnded({ items: [done], repositories: 5, notices: [] }));
  expect(whole.get(at)).toBeGreaterThan(1_700_000_000);
  expect(whole.get('holdfast_volume_forgotten_total')).toBe(3);
});

it('a replica that leads no more says nothing of how things stand, and keeps what it has counted', async () => {
  expect((await measured(() => {})).has('holdfast_volume_orphans')).toBe(false);
  const values = await measured(metrics => {
    metrics.captured(tier, counts);
    metrics.upkeepEnded({ items: [done], repositories: 1, notices: [] });
    metrics.orphansFound(4);
    metrics.standDown();
  });
  const names = [...values.keys()].map(name => /^[a-z_]+/.exec(name)?.[0]);
  for (const gone of ['claims', 'snapshots', 'bytes', 'orphans', 'upkeep_repositories', 'upkeep_last_success_timestamp_seconds']) {
    expect(names).not.toContain(`holdfast_volume_${gone}`);
  }
  expect(values.get('holdfast_volume_forgotten_total')).toBe(3);
});
