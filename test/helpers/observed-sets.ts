import type { Fire } from '../../src/domain/policy.ts';
import { everything } from '../../src/domain/selection.ts';
import type { ReadableSet, UnreadableSet } from '../../src/repository/catalog.ts';

export function fireOf(at: string, tier: string, policy = 'platform'): Fire {
  return { policy, tier, at: new Date(at).toISOString() };
}

/** A complete set that stands for the run of `platform` at the time when it was started. */
export function observedSet(at: string, changes: Partial<ReadableSet> = {}): ReadableSet {
  const startedAt = new Date(at).toISOString();
  const tier = changes.tier ?? 'daily';
  return {
    id: `${startedAt.replace(/[-:]|\.\d+/g, '')}-${tier}-aaaa`,
    startedAt,
    phase: 'Completed',
    tier,
    fires: [fireOf(startedAt, tier)],
    notProtected: [],
    finishedAt: startedAt,
    objects: 1,
    bytes: 1,
    storedBytes: 1,
    problems: 0,
    consistency: 'instant',
    cluster: { uid: 'c1', version: 'v1.37.2', server: 'https://127.0.0.1:6443' },
    selection: everything,
    ...changes,
  };
}

/** A set whose manifest was altered. */
export function alteredSet(at: string): UnreadableSet {
  const { id, startedAt } = observedSet(at);
  return { id, startedAt, phase: 'Unreadable', error: { code: 'BACKUP_CORRUPT', message: 'the manifest is malformed' } };
}
