import { describe, expect, it } from 'vitest';
import { at, failed, fire, hour, minute, namespaces, policy, started, tier } from '../../test/helpers/policies.ts';
import type { Part } from '../domain/policy.ts';
import { everything, type Selection } from '../domain/selection.ts';

const scope = (selection: Selection, ...parts: Part[]) => ({ scope: { selection, parts } });
const daily = tier('daily', '0 2 * * *', scope(everything, 'volumeSnapshots', 'resources'));
const weekly = tier('weekly', '30 2 * * sun', { keep: { count: 12, unit: 'week' }, ...scope(everything, 'artifacts', 'resources') });
const monthly = tier('monthly', '0 3 22 * *', { keep: { count: 12, unit: 'month' }, ...scope(everything, 'offsiteCopy', 'volumeData') });

describe('tiers of one policy', () => {
  it('that fire within an hour become one run, with the parts of all and the label of the one kept longest', () => {
    expect(at('2026-11-22T02:00', policy([daily, weekly, monthly])).runs).toEqual([
      {
        policy: 'platform',
        tier: 'monthly',
        fires: [fire('daily', '2026-11-22T02:00'), fire('weekly', '2026-11-22T02:30'), fire('monthly', '2026-11-22T03:00')],
        scope: { selection: everything, parts: ['resources', 'volumeSnapshots', 'volumeData', 'artifacts', 'offsiteCopy'] },
        attempt: 1,
      },
    ]);
  });

  it('run with the hooks of their policy', () => {
    const hooks = [{ namespaces: [], labelSelector: '', quiesce: ['sync'], thaw: [], onError: 'fail' as const }];
    const hooked = [daily, weekly].map(one => ({ ...one, scope: { ...one.scope, hooks } }));
    expect(at('2026-11-22T02:00', policy(hooked)).runs).toMatchObject([{ tier: 'weekly', fires: [{}, {}], scope: { hooks } }]);
  });

  it.each([
    [29 * minute, 'daily@2026-11-22T02:00'],
    [30 * minute, 'daily@2026-11-22T02:00 weekly@2026-11-22T02:30'],
  ])('do so up to the window, here %i ms', (coalesceMs, expected) => {
    expect(started(at('2026-11-22T02:00', policy([daily, weekly]), {}, { coalesceMs }))).toEqual([expected]);
  });

  it('do the work once: nothing is due when the later time comes', () => {
    const handled = [fire('daily', '2026-11-22T02:00'), fire('weekly', '2026-11-22T02:30')];
    for (const now of ['2026-11-22T02:10', '2026-11-22T02:30', '2026-11-22T09:00']) {
      expect(started(at(now, policy([daily, weekly]), { handled }))).toEqual([]);
    }
  });

  it('leave out a fire that was taken ahead of its time already', () => {
    const twice = tier('twice', '0,20 2 * * *');
    const past = { handled: [fire('twice', '2026-11-22T02:00'), fire('weekly', '2026-11-22T02:30')] };
    expect(started(at('2026-11-22T02:20', policy([twice, weekly]), past))).toEqual(['twice@2026-11-22T02:20']);
  });

  it('never put two fires of one tier into a run', () => {
    expect(started(at('2026-11-22T02:00', policy([tier('often', '0,20 2 * * *'), daily])))).toEqual([
      'often@2026-11-22T02:00 daily@2026-11-22T02:00',
    ]);
  });

  it('that were missed are caught up together', () => {
    expect(started(at('2026-11-22T11:00', policy([daily, weekly, monthly])))).toEqual([
      'daily@2026-11-22T02:00 weekly@2026-11-22T02:30 monthly@2026-11-22T03:00',
    ]);
  });

  it('do not wait for the jitter or the next attempt of one another', () => {
    const jittered = { ...weekly, schedule: '0 2 * * sun', jitterMs: 12 * hour };
    expect(started(at('2026-11-22T02:00', policy([daily, jittered])))).toEqual(['daily@2026-11-22T02:00 weekly@2026-11-22T02:00']);
    const past = { failed: [failed('daily', '2026-11-22T02:00', 3, '2026-11-22T02:20')] };
    expect(at('2026-11-22T02:30', policy([daily, weekly]), past).runs).toMatchObject([{ tier: 'weekly', attempt: 4, fires: [{}, {}] }]);
  });

  it('leave to the next fire of the lead what comes no earlier', () => {
    const hourly = tier('hourly', '0 * * * *', { keep: { count: 2, unit: 'day' } });
    expect(started(at('2026-11-22T01:00', policy([hourly, daily])))).toEqual(['hourly@2026-11-22T01:00']);
    expect(started(at('2026-11-22T02:00', policy([hourly, daily])))).toEqual(['hourly@2026-11-22T02:00 daily@2026-11-22T02:00']);
  });

  it('are not shifted by more than a tenth of their interval', () => {
    const hourly = tier('hourly', '30 * * * *');
    const past = { handled: [fire('hourly', '2026-11-23T01:30')] };
    expect(started(at('2026-11-23T02:00', policy([hourly, daily]), past))).toEqual(['daily@2026-11-23T02:00']);
    expect(started(at('2026-11-23T02:24', policy([hourly, daily]), past))).toEqual(['daily@2026-11-23T02:00 hourly@2026-11-23T02:30']);
  });

  it('leave out a suspended one', () => {
    expect(started(at('2026-11-22T02:00', policy([daily, { ...weekly, suspend: true }])))).toEqual(['daily@2026-11-22T02:00']);
  });
});

describe('selections', () => {
  const [a, b] = [
    tier('a', '0 2 * * *', scope(namespaces('a', 'x'), 'resources')),
    tier('b', '0 2 * * *', scope(namespaces('b'), 'resources')),
  ];

  it('that differ keep tiers apart', () => {
    expect(started(at('2026-11-23T02:00', policy([a, b])))).toEqual(['a@2026-11-23T02:00']);
    expect(
      started(at('2026-11-23T02:00', policy([a, { ...daily, ...scope({ ...everything, excludeKinds: ['secrets'] }, 'resources') }]))),
    ).toEqual(['a@2026-11-23T02:00']);
  });

  it('that are equal, in whatever order, make one run', () => {
    const same = tier('same', '0 2 * * *', scope(namespaces('x', 'a'), 'artifacts'));
    expect(at('2026-11-23T02:00', policy([a, same])).runs).toMatchObject([
      { fires: [{ tier: 'a' }, { tier: 'same' }], scope: { selection: a.scope.selection, parts: ['resources', 'artifacts'] } },
    ]);
  });

  it('make one run for the locations of all', () => {
    const copied = (...locations: string[]) => ({ scope: { ...scope(namespaces('a', 'x'), 'resources', 'offsiteCopy').scope, locations } });
    const both = [tier('one', '0 2 * * *', copied('offsite')), tier('two', '0 2 * * *', copied('vault', 'offsite'))];
    const [run] = at('2026-11-23T02:00', policy(both)).runs;
    expect(run?.scope).toMatchObject({ parts: ['resources', 'offsiteCopy'], locations: ['offsite', 'vault'] });
    expect(at('2026-11-23T02:00', policy([a])).runs[0]?.scope).not.toHaveProperty('locations');
  });

  it('give way to the whole cluster, which takes in all others', () => {
    const [run] = at('2026-11-23T02:00', policy([a, b, { ...daily, keep: { count: 1, unit: 'day' } }])).runs;
    expect(run?.fires.map(({ tier: name }) => name).sort()).toEqual(['a', 'b', 'daily']);
    expect(run).toMatchObject({ tier: 'b', scope: { selection: everything } });
  });
});
