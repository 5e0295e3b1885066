import { describe, expect, it } from 'vitest';
import { createMetrics, type Standing } from './metrics.ts';

const standing: Standing = {
  leading: true,
  storeReachable: true,
  clusterReachable: true,
  ledgerEntries: 12,
  policies: [{ policy: 'platform', rpo: 3600, rpoObjective: 93_600, rtoObjective: 3600, notProtected: ['volumeData'] }],
  tiers: [
    {
      policy: 'platform',
      tier: 'daily',
      newest: { at: 1_790_000_000, objects: 100, bytes: 9_000 },
      nextRun: 1_790_080_000,
      overdue: false,
      ...{ rpo: 60, rpoObjective: 7200, rtoObjective: 600 },
    },
  ],
  sets: [
    { tier: 'daily', phase: 'Completed', count: 30, bytes: 3_000 },
    { tier: 'daily', phase: 'PartiallyFailed', count: 1, bytes: 50 },
  ],
  running: { backup: 1 },
};

/** Values by series, `name{label="…"}` without default metrics’ own. */
async function scrape(metrics: ReturnType<typeof createMetrics>): Promise<Map<string, number>> {
  const text = await metrics.metrics();
  return new Map(
    text
      .split('\n')
      .filter(line => line.startsWith('holdfast_'))
      .map(line => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
  );
}

describe('metrics', () => {
  it('tell how things stand at the moment of the scrape', async () => {
    let now = standing;
    const metrics = createMetrics(() => now, '1.2.3');
    const values = await scrape(metrics);
    expect(values.get('holdfast_rpo_seconds{policy="platform"}')).toBe(3600);
    expect(values.get('holdfast_rpo_objective_seconds{policy="platform"}')).toBe(93_600);
    expect(values.has('holdfast_rto_seconds{policy="platform"}')).toBe(false);
    const ofTier = (name: string) => values.get(`holdfast_tier_${name}_seconds{policy="platform",tier="daily"}`);
    expect(['rpo', 'rpo_objective', 'rto', 'rto_objective'].map(ofTier)).toEqual([60, 7200, undefined, 600]);
    expect(values.get('holdfast_not_protected{policy="platform",part="volumeData"}')).toBe(1);
    expect(values.get('holdfast_backup_last_success_timestamp_seconds{policy="platform",tier="daily"}')).toBe(1_790_000_000);
    expect(values.get('holdfast_schedule_overdue{policy="platform",tier="daily"}')).toBe(0);
    expect(values.get('holdfast_sets{tier="daily",phase="Completed"}')).toBe(30);
    expect(values.get('holdfast_store_bytes{tier="daily"}')).toBe(3_050);
    expect(values.get('holdfast_operations_running{kind="backup"}')).toBe(1);
    expect(values.get('holdfast_operations_running{kind="restore"}')).toBe(0);
    expect(values.get('holdfast_leader')).toBe(1);
    expect(values.get('holdfast_build_info{version="1.2.3"}')).toBe(1);

    expect(values.get('holdfast_backup_objects{policy="platform",tier="daily"}')).toBe(100);
    expect(values.get('holdfast_backup_bytes{policy="platform",tier="daily"}')).toBe(9_000);

    metrics.volumes.captured(
      { policy: 'platform', tier: 'daily' },
      { claims: 3, snapshotted: 1, moved: 1, notProtected: 1, failed: 1, bytes: 1, addedBytes: 1 },
    );
    expect((await scrape(metrics)).get('holdfast_volume_claims{policy="platform",tier="daily",state="failed"}')).toBe(1);
    now = { ...standing, policies: [], tiers: [], leading: false };
    const later = await scrape(metrics);
    expect(later.has('holdfast_rpo_seconds{policy="platform"}')).toBe(false);
    expect([...later.keys()].filter(name => name.includes('tier="daily"') && !/^holdfast_(sets|store_bytes)/.test(name))).toEqual([]);
    expect(later.get('holdfast_leader')).toBe(0);
  });

  it('count what ended', async () => {
    const metrics = createMetrics(() => standing, '1.2.3');
    metrics.backupEnded({ policy: 'platform', tier: 'daily', phase: 'Completed', seconds: 4, objects: 100, problems: 2 });
    metrics.backupEnded({ policy: 'platform', tier: 'daily', phase: 'Failed', seconds: 4, objects: 0, problems: 0 });
    metrics.operationEnded({ kind: 'backup', phase: 'Completed', seconds: 4 });
    metrics.operationEnded({ kind: 'restore', phase: 'Completed', seconds: 40 });
    metrics.operationEnded({ kind: 'restore', phase: 'Completed', seconds: 1, dryRun: true });
    metrics.operationEnded({ kind: 'verify', phase: 'Failed', seconds: 1, code: 'VERIFY_FAILED' });
    // The store was away: nobody has seen damage.
    metrics.operationEnded({ kind: 'verify', phase: 'Failed', seconds: 1, code: 'STORE_UNREACHABLE' });
    metrics.scheduleMissed('platform', 'daily');
    metrics.requestAnswered({ method: 'GET', route: '/api/v1/backups', status: 200, seconds: 0.02 });
    expect((await scrape(metrics)).has('holdfast_verify_last_success_timestamp_seconds')).toBe(false);
    metrics.operationEnded({ kind: 'verify', phase: 'Completed', seconds: 1 });
    const values = await scrape(metrics);
    expect(values.get('holdfast_verify_last_success_timestamp_seconds')).toBeGreaterThan(1_700_000_000);
    expect(values.get('holdfast_backup_duration_seconds_count{policy="platform",tier="daily"}')).toBe(1);
    expect(values.get('holdfast_backup_items_total{result="failed"}')).toBe(2);
    expect(values.get('holdfast_operations_total{kind="backup",phase="Completed"}')).toBe(1);
    expect(values.get('holdfast_operations_total{kind="retention",phase="Interrupted"}')).toBe(0);
    expect(values.get('holdfast_restore_duration_seconds_sum')).toBe(40);
    expect(values.get('holdfast_verify_failures_total')).toBe(1);
    expect(values.get('holdfast_schedule_missed_total{policy="platform",tier="daily"}')).toBe(1);
    expect(values.get('holdfast_api_requests_total{method="GET",route="/api/v1/backups",status="200"}')).toBe(1);
  });

  it('have a help text, a unit in the name, and their own registry', async () => {
    const [one, other] = [createMetrics(() => standing, '1.2.3'), createMetrics(() => standing, '1.2.3')];
    one.scheduleMissed('platform', 'daily');
    const text = await other.metrics();
    expect(text).not.toContain('holdfast_schedule_missed_total{');
    const names = [...text.matchAll(/^# TYPE (holdfast_\w+) (\w+)$/gm)];
    expect(names.length).toBeGreaterThan(20);
    for (const [, name = '', type] of names) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.*\\.$`, 'm'));
      if (type === 'counter') expect(name).toMatch(/_total$/);
    }
    expect(text).toContain('process_resident_memory_bytes');
  });
});
