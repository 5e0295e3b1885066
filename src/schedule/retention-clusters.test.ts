import { describe, expect, it } from 'vitest';
import { policy, tier } from '../../test/helpers/policies.ts';
import { keep, platform, set } from '../../test/helpers/retention-world.ts';
import { reasonOfOthers } from './other-clusters.ts';
import { planRetention, type RetentionInput, toDelete } from './retention.ts';

const here = { uid: 'here', version: 'v1.37.2', server: 'https://10.96.0.1' };
const there = { uid: 'there', version: 'v1.37.2', server: 'https://10.96.0.1' };
const nameless = { uid: '', version: 'v1.37.2', server: 'https://elsewhere' };

const at = (day: string, cluster: typeof here, tiers = ['daily']) =>
  set(`${day}T02:00:00.000Z`, tiers, { cluster, id: `${day.replaceAll('-', '')}T020000Z-daily-${cluster.uid.slice(0, 4)}` });
/** A month of days, of which all but the newest few have had their time. */
const daysOf = (cluster: typeof here) => Array.from({ length: 30 }, (_, day) => at(`2026-09-${String(day + 1).padStart(2, '0')}`, cluster));

function plan(sets: RetentionInput['sets'], othersReason: RetentionInput['othersReason'], changes: Partial<RetentionInput> = {}) {
  const input = { policies: [platform], holds: [], busy: new Map(), now: new Date('2026-11-23T12:00:00Z'), limits: { maxShare: 1 } };
  return planRetention({ ...input, sets, othersReason, ...changes });
}

describe('sets of another cluster', () => {
  const [own, theirs] = [daysOf(here), daysOf(there)];

  it('are kept, whatever the policies of this one say', () => {
    const made = plan([...own, ...theirs], reasonOfOthers(here));
    expect(toDelete(made)).toEqual(own.slice(0, -1).map(({ id }) => id));
    expect(made.decisions.find(one => one.set === theirs[0]!.id)).toEqual({
      ...{ set: theirs[0]!.id, action: 'keep', reasons: ['of another cluster (there)'] },
    });
  });

  it('each lose what their own cluster lets go, by its own times', () => {
    const short = policy([tier('daily', '0 2 * * *', keep(7, 'day'))]);
    const long = policy([tier('daily', '0 2 * * *', keep(90, 'day'))]);
    const sets = [...own, ...theirs];
    expect(toDelete(plan(sets, reasonOfOthers(here), { policies: [short] }))).toEqual(own.slice(0, -1).map(({ id }) => id));
    expect(toDelete(plan(sets, reasonOfOthers(there), { policies: [long] }))).toEqual([]);
  });

  it('are not part of what a run may delete a share of', () => {
    const few = own.slice(0, 6);
    expect(plan([...few, ...theirs], reasonOfOthers(here), { limits: {} }).blocked).toContain('5 of 6 sets would go');
  });

  it('go by these policies once somebody has given that cluster to this one', () => {
    const made = plan([...own, ...theirs], reasonOfOthers(here, ['there']));
    expect(toDelete(made).length).toBe(own.length + theirs.length - 2);
  });

  it('are known by the address where a uid could not be read', () => {
    const one = at('2026-09-01', nameless);
    const reasons = (own: typeof here, adopted?: string[]) => plan([one], reasonOfOthers(own, adopted)).decisions[0]!.reasons;
    expect(reasons(here)).toEqual(['of another cluster (at https://elsewhere)']);
    expect(reasons({ ...here, server: 'https://elsewhere' })[0]).toContain('the newest complete set');
    expect(reasons(here, ['at https://elsewhere'])[0]).toContain('the newest complete set');
  });

  it('are all there are as long as it is not known which cluster is meant', () => {
    expect(toDelete(plan([...own, ...theirs], reasonOfOthers(undefined)))).toEqual([]);
  });
});

describe('a set that somebody asked for under the name of a tier', () => {
  it('is never promoted, whatever it holds and whenever it was taken', () => {
    const asked = set('2019-12-31T02:00:00.000Z', 'monthly', { fires: [], cluster: here });
    const taken = at('2019-12-01', here, ['monthly']);
    const later = at('2026-11-01', here, ['monthly']);
    const newer = set('2026-11-02T02:00:00.000Z', 'monthly', { fires: [], cluster: here });
    const made = plan([asked, taken, later, newer], reasonOfOthers(here));
    expect(made.decisions.find(one => one.set === asked.id)).toMatchObject({ action: 'delete', reasons: ['monthly ended 2020-12-31'] });
    expect(made.decisions.find(one => one.set === taken.id)?.reasons).toEqual(['yearly archive of 2019 until 2026-12-01']);
  });
});
