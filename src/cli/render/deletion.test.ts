import { describe, expect, it } from 'vitest';
import type { DeletionPlan } from '../../schedule/deletion-plan.ts';
import { plainStyle as style } from '../style.ts';
import { type DeletionItem, deletionLines, deletionPlanLines } from './deletion.ts';

const now = new Date('2026-11-23T12:00:00Z');
const set = '20261110T091500Z-manual-x7ab';

const whole: DeletionPlan = {
  ...{ set, phase: 'Completed', startedAt: '2026-11-10T09:15:00Z', tier: 'manual', cluster: 'https://10.0.0.1:6443' },
  ...{ objects: 12_340, files: 9, storedBytes: 19_084_083, warnings: [] },
  volumes: [
    { namespace: 'agents', claim: 'rex', bytes: 1024, snapshot: true },
    { namespace: 'agents', claim: 'blaze', bytes: 1024, snapshot: false },
    { namespace: 'agents', claim: 'cipher', snapshot: true },
  ],
  keptBy: ['no policy names its tier (manual): kept until somebody deletes it'],
};
const lines = (...plans: DeletionPlan[]) => deletionPlanLines(plans, { style, now });

describe('what would go', () => {
  it('is said with when, how much, which volumes, and what keeps it', () => {
    expect(lines(whole)).toEqual([
      '20261110T091500Z-manual-x7ab  ✓ Completed',
      '  Started   2026-11-10 09:15:00Z, 13d ago',
      '  Cluster   https://10.0.0.1:6443',
      '  Goes      12,340 objects, 18.2 MiB in 9 files',
      '  Volumes   3 claims, 2.00 KiB of data, 2 snapshots in the cluster: agents/rex, agents/blaze, agents/cipher',
      '  Kept by   no policy names its tier (manual): kept until somebody deletes it',
    ]);
  });

  it('ends with what only it has, why it may not go, and what to do then', () => {
    const refusal = {
      code: 'BACKUP_HELD',
      message: `${set} is held by alice: audit`,
      hint: `release it first: holdfast release ${set}`,
    } as const;
    expect(lines({ ...whole, warnings: ['no other set of its cluster has the data of its volumes'], refusal }).slice(-3)).toEqual([
      '  ! no other set of its cluster has the data of its volumes',
      '  ✗ It is held by alice: audit',
      `    next: release it first: holdfast release ${set}`,
    ]);
  });

  it('is a block a set, and lets no text of others move the cursor', () => {
    const error = { code: 'BACKUP_CORRUPT', message: 'manifest \x1b[2J' } as const;
    const { objects: _o, cluster: _c, tier: _t, ...unknown } = whole;
    const both = lines({ ...unknown, phase: 'Unreadable', error, volumes: [] }, { ...unknown, phase: 'Deleting', keptBy: [], volumes: [] });
    expect(both).toContain('  Unreadable   manifest \\x1b[2J');
    expect(both).toContain('  Volumes      not known: what no other backup names goes with the next upkeep');
    expect(both.slice(both.indexOf('') + 1)).toEqual([
      `${set}  ! Deletion was interrupted`,
      '  Started   2026-11-10 09:15:00Z, 13d ago',
      '  Goes      18.2 MiB in 9 files',
    ]);
  });

  it('names some volumes of many', () => {
    const volumes = Array.from({ length: 9 }, (_, i) => ({ namespace: 'a', claim: `c${i}`, bytes: 1, snapshot: false }));
    expect(lines({ ...whole, volumes })[4]).toBe('  Volumes   9 claims, 9 B of data: a/c0, a/c1, a/c2, a/c3, 5 more');
  });
});

describe('what became of it', () => {
  const gone: DeletionItem = { set, result: 'deleted', files: 9, storedBytes: 2048, objects: 12_340, volumes: [], message: '' };

  it('is how much is free now, and what upkeep does about volumes', () => {
    expect(deletionLines([gone], style)).toEqual([
      'NAME                           RESULT      OBJECTS      FREED',
      `${set}   ✓ deleted    12,340   2.00 KiB`,
      '',
      '✓ 1 backup deleted.',
    ]);
    expect(deletionLines([{ ...gone, volumes: whole.volumes }], style).slice(-2)).toEqual([
      '  The data of 2 claims (2.00 KiB) goes with the next upkeep: by the service after retention, or holdfast volumes upkeep',
      '  Snapshots of it in the cluster are left over then: holdfast volumes orphans',
    ]);
  });

  it('names what did not go, and why', () => {
    const failed: DeletionItem = { set: 'b', result: 'failed', code: 'STORE_FORBIDDEN', message: 'access denied' };
    const unknown: DeletionItem = { set: 'c', result: 'unknown', code: 'BACKUP_NOT_FOUND', message: 'no such backup' };
    expect(deletionLines([gone, failed, unknown], style, false).slice(1)).toEqual([
      expect.stringMatching(/^b +✗ FAILED +- +- +access denied$/),
      expect.stringMatching(/^c +- not there +- +- +no such backup$/),
      '',
      '✗ 1 backup deleted, 2 not.',
    ]);
  });
});
