import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { platform, set, someWorld, unreadable, type World } from '../../test/helpers/retention-world.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import { everything, type Selection } from '../domain/selection.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { type DeletionInput, judgeDeletion } from './deletion-rules.ts';

const now = new Date('2026-11-23T12:00:00Z');
const byHand = (startedAt: string, changes: Partial<ReadableSet> = {}) => set(startedAt, [], { tier: 'manual', ...changes });

function judged(one: SetSummary, others: readonly SetSummary[], changes: Partial<DeletionInput> = {}) {
  return judgeDeletion(one, { sets: [...others, one], policies: [platform], holds: [], busy: new Map(), now, ...changes }).verdict;
}

describe('a set that somebody asks to delete', () => {
  const newer = set('2026-11-22T02:00:00Z', 'daily');

  it('may go before the time of its tier is over, and what would have kept it is named', () => {
    expect(judged(set('2026-11-20T02:00:00Z', 'daily'), [newer])).toEqual({ keptBy: ['daily until 2026-12-20'], warnings: [] });
  });

  it('may go where only somebody who deletes it lets it go: one by hand, or one dated in the future', () => {
    for (const one of [byHand('2026-11-22T09:00:00Z'), byHand('2027-11-22T09:00:00Z')]) {
      expect(judged(one, [newer])).toMatchObject({ warnings: [] });
      expect(judged(one, [newer]).keptBy[0]).toContain('no policy names its tier (manual)');
      expect(judged(one, [newer])).not.toHaveProperty('refusal');
    }
  });

  it('stays where somebody holds it, and who does and how it is released is said', () => {
    const one = byHand('2026-11-22T09:00:00Z');
    const holds = [{ set: one.id, by: 'alice', reason: 'audit 2026' }];
    expect(judged(one, [newer], { holds }).refusal).toEqual({
      code: 'BACKUP_HELD',
      message: `${one.id} is held by alice: audit 2026`,
      hint: expect.stringContaining(`holdfast release ${one.id}`),
    });
  });

  it('stays while it is read, or all are', () => {
    const one = byHand('2026-11-22T09:00:00Z');
    for (const id of [one.id, 'all']) {
      const { refusal } = judged(one, [newer], { busy: new Map([[id, 'being restored by alice']]) });
      expect(refusal).toMatchObject({ code: 'BACKUP_IN_USE', message: `${one.id} is being restored by alice` });
    }
    expect(judged(one, [newer], { busy: new Map([[newer.id, 'being restored']]) })).not.toHaveProperty('refusal');
  });

  it('stays where it is the newest complete one of a policy and a tier', () => {
    expect(judged(newer, [set('2026-11-20T02:00:00Z', 'daily')]).refusal).toMatchObject({
      code: 'BACKUP_NEEDED',
      message: `${newer.id} must stay: it is the newest complete set of policy platform, and the newest complete set of tier daily`,
    });
  });

  it('stays where no other complete one of its cluster is left, whatever its tier', () => {
    const one = byHand('2026-11-22T09:00:00Z');
    const elsewhere = byHand('2026-11-23T09:00:00Z', { cluster: { uid: 'cluster-2', version: '', server: 'https://cluster-2' } });
    const partly = byHand('2026-11-23T09:00:00Z', { id: '20261123T090000Z-manual-part', phase: 'PartiallyFailed' });
    const ahead = byHand('2028-11-23T09:00:00Z');
    for (const others of [[], [elsewhere], [partly], [ahead], [unreadable('20261121T020000Z-manual-aaaa', '2026-11-21T02:00:00Z')]]) {
      expect(judged(one, others).refusal).toMatchObject({
        code: 'BACKUP_NEEDED',
        message: expect.stringContaining('the last complete set of https://cluster-1'),
      });
    }
    expect(judged(one, [byHand('2026-11-01T09:00:00Z')])).not.toHaveProperty('refusal');
    expect(judged(partly, [one])).not.toHaveProperty('refusal');
    expect(judged(partly, []).refusal?.message).toContain('the last set of');
  });

  it('is not replaced by one that was asked for less', () => {
    const all = byHand('2026-11-20T09:00:00Z');
    const some = byHand('2026-11-21T09:00:00Z', { selection: { ...everything, includeNamespaces: ['agents'] } });
    expect(judged(all, [some]).refusal?.code).toBe('BACKUP_NEEDED');
    expect(judged(some, [all])).not.toHaveProperty('refusal');
    expect(judged(some, [byHand('2026-11-01T09:00:00Z', { selection: some.selection })])).not.toHaveProperty('refusal');
  });

  it('is replaced by one that was asked for the same in other words, and by one of the whole cluster however that is said', () => {
    const asked = (includeNamespaces: string[]) => ({ ...everything, includeNamespaces });
    const one = byHand('2026-11-21T09:00:00Z', { selection: asked(['agents', 'argo']) });
    const other = (selection: Selection) => byHand('2026-11-01T09:00:00Z', { selection });
    expect(judged(one, [other(asked(['argo', 'agents']))])).not.toHaveProperty('refusal');
    expect(judged(one, [other({ ...everything, clusterScoped: 'always' })])).not.toHaveProperty('refusal');
    expect(judged(byHand('2026-11-21T09:00:00Z'), [other({ ...everything, clusterScoped: 'always' })])).not.toHaveProperty('refusal');
    const less: Selection[] = [
      asked(['agents']),
      { ...asked(['argo', 'agents']), excludeNamespaces: ['argo'] },
      { ...asked(['argo', 'agents']), excludeKinds: ['secrets'] },
      { ...asked(['argo', 'agents']), labelSelector: 'app=web' },
      { ...asked(['argo', 'agents']), includeNames: ['a'] },
      { ...asked(['argo', 'agents']), clusterScoped: 'never' },
      { ...everything, clusterScoped: 'never' },
      { ...everything, excludeKinds: ['secrets'] },
    ];
    for (const selection of less) expect(judged(one, [other(selection)]).refusal?.code, JSON.stringify(selection)).toBe('BACKUP_NEEDED');
  });

  it('that cannot be read may go while a complete one can be', () => {
    const damaged = unreadable('20261121T020000Z-daily-aaaa', '2026-11-21T02:00:00Z');
    expect(judged(damaged, [newer])).toEqual({ keptBy: [expect.stringContaining('unreadable')], warnings: [] });
    expect(judged(damaged, [byHand('2026-11-20T09:00:00Z', { phase: 'PartiallyFailed' })]).refusal?.code).toBe('BACKUP_NEEDED');
  });

  it('goes with a warning where it alone has the data of volumes', () => {
    const one = byHand('2026-11-20T09:00:00Z', { asked: ['resources', 'volumeSnapshots', 'volumeData'] });
    expect(judged(one, [newer]).warnings).toEqual([
      'no other set of its cluster has snapshots of its volumes',
      'no other set of its cluster has the data of its volumes',
    ]);
    const other = byHand('2026-11-21T09:00:00Z', { asked: ['resources', 'volumeData'], notProtected: [] });
    expect(judged(one, [other]).warnings).toEqual(['no other set of its cluster has snapshots of its volumes']);
    expect(judged(one, [{ ...other, notProtected: ['volumeData'] }]).warnings).toHaveLength(2);
  });
});

const clusterOf = ({ cluster }: ReadableSet) => (cluster.uid === '' ? cluster.server : cluster.uid);

/** Clusters that have a complete set, and the newest complete one of each policy for each of them. */
function standing({ sets, policies, now: at }: Pick<World, 'sets' | 'policies' | 'now'>) {
  const complete = sets.filter(
    (one): one is ReadableSet => one.phase === 'Completed' && Date.parse(one.startedAt) <= at.getTime() + clockSlackMs,
  );
  const newest = policies.flatMap(({ name, tiers }) => {
    const scheduled = complete.filter(({ fires }) =>
      fires.some(fire => fire.policy === name && tiers.some(tier => tier.name === fire.tier)),
    );
    return [...Map.groupBy(scheduled, clusterOf)].map(
      ([cluster, own]) =>
        `${name} ${cluster} ${own
          .map(({ startedAt }) => startedAt)
          .toSorted()
          .at(-1)}`,
    );
  });
  return { clusters: new Set(complete.map(clusterOf)), newest: new Set(newest) };
}

it('whatever is asked for in whatever order, no cluster loses its last complete set, no policy its newest, nobody what they hold or read', () => {
  let went = 0;
  fc.assert(
    fc.property(someWorld, fc.infiniteStream(fc.nat()), (world, choose) => {
      let sets = [...world.sets];
      for (let tries = 0; tries < world.sets.length; tries++) {
        const one = sets[choose.next().value! % Math.max(1, sets.length)];
        if (one === undefined || judgeDeletion(one, { ...world, sets }).verdict.refusal !== undefined) continue;
        sets = sets.filter(({ id }) => id !== one.id);
        went += 1;
      }
      expect(standing({ ...world, sets })).toEqual(standing(world));
      const ids = new Set(sets.map(({ id }) => id));
      expect([...world.holds.map(hold => hold.set), ...world.busy.keys()].filter(id => !ids.has(id))).toEqual([]);
    }),
    { numRuns: 100 },
  );
  expect(went).toBeGreaterThan(100);
});

it('what may go may go by the few sets that it rests on, whatever becomes of all others, and not without them', () => {
  let [went, stayed] = [0, 0];
  fc.assert(
    fc.property(someWorld, world => {
      for (const one of world.sets) {
        const { verdict, restsOn } = judgeDeletion(one, world);
        if (verdict.refusal !== undefined) continue;
        expect(restsOn).not.toContain(one);
        const alone = judgeDeletion(one, { ...world, sets: [...restsOn, one] }).verdict;
        expect(alone.refusal).toBeUndefined();
        expect(alone.warnings).toEqual(verdict.warnings);
        went += 1;
        if (judgeDeletion(one, { ...world, sets: [one] }).verdict.refusal !== undefined) stayed += 1;
      }
    }),
    { numRuns: 100 },
  );
  expect(Math.min(went, stayed)).toBeGreaterThan(100);
});
