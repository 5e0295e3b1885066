import { describe, expect, it } from 'vitest';
import type { OwnObject } from '../domain/volume-upkeep.ts';
import { contentName, type OrphanKnowledge, orphanReason, snapshotName } from './orphan-rules.ts';

const now = new Date('2026-11-26T02:00:00Z');
const hourMs = 3_600_000;
const known: OrphanKnowledge = {
  keptSnapshots: new Set(['holdfast/kept']),
  whole: true,
  boundTo: new Map(),
  now,
  olderThanMs: 24 * hourMs,
};

function object(change: Partial<OwnObject>): OwnObject {
  return {
    ...{ kind: 'persistentvolumeclaims', namespace: 'holdfast', name: 'x', role: 'mover', work: 'set', claim: 'agents/workspace' },
    ...{ createdAt: new Date(now.getTime() - 48 * hourMs), inUse: false },
    ...change,
  };
}

describe('what is left over', () => {
  it.each([
    [{ kind: snapshotName, role: 'snapshot', name: 'lost' }, /no set names/],
    [{ kind: contentName, role: 'snapshot', name: 'content' }, /snapshot that is gone/],
    [{ kind: 'persistentvolumes', role: 'restore', namespace: '' }, /restore that was never finished/],
    [{ kind: 'persistentvolumeclaims', role: 'restore' }, /temporary claim of a restore/],
    [{ kind: 'jobs.batch', role: 'mover' }, /mover of a backup/],
    [{ kind: 'secrets', role: 'upkeep' }, /credentials of an upkeep/],
    [{ kind: 'configmaps', role: 'frozen' }, /a pod that a backup has frozen/],
    [{ kind: 'configmaps', role: 'scaled' }, /workloads that a restore has scaled down/],
  ])('is %j', (change, reason) => {
    expect(orphanReason(object(change), known)).toMatch(reason);
  });

  it.each([
    ['what is younger than a day', { createdAt: new Date(now.getTime() - 23 * hourMs) }, {}],
    ['a snapshot that a set names', { kind: snapshotName, name: 'kept' }, {}],
    ['any snapshot while a set cannot be read', { kind: snapshotName, name: 'lost' }, { whole: false }],
    ['the content of a snapshot that is there', { kind: contentName, name: 'c' }, { boundTo: new Map([['c', 'holdfast/kept']]) }],
    ['a volume that a claim is bound to', { kind: 'persistentvolumes', inUse: true }, {}],
    ['a mover that runs', { kind: 'jobs.batch', inUse: true }, {}],
    ['the password of a repository', { kind: 'secrets', role: 'repository' }, {}],
    ['something else of ours', { kind: 'services' }, {}],
  ] as const)('is not %s', (_what, change, more) => {
    expect(orphanReason(object(change), { ...known, ...more })).toBeUndefined();
  });
});
