import { describe, expect, it } from 'vitest';
import { manifestOf, type SetOptions } from '../../test/helpers/api-sets.ts';
import { everything, type Selection } from '../domain/selection.ts';
import { type Found, type NewestOptions, newestSet } from './newest-set.ts';

const now = new Date('2026-11-30T12:00:00Z');
const old = { uid: 'old', version: 'v1.37.2', server: 'https://old.example' };
const teamA: Partial<Selection> = { includeNamespaces: ['team-a'], clusterScoped: 'never' };
const teamB: Partial<Selection> = { includeNamespaces: ['team-b', 'team-b-*'], clusterScoped: 'never' };

interface Written extends SetOptions {
  readonly cluster?: typeof old;
}

function whole(day: number, more: Omit<Written, 'id'> = {}): Written {
  return { id: `202611${String(day).padStart(2, '0')}T020000Z-daily-aaaa`, ...more };
}

/** Told oldest first, as people think. */
async function choose(sets: readonly Written[], options: Partial<NewestOptions> = {}) {
  const notices: string[] = [];
  async function* newestFirst(): AsyncGenerator<Found> {
    for (const { cluster, ...set } of sets.toReversed()) {
      const manifest = manifestOf(set);
      yield {
        id: set.id,
        found: { ...manifest, cluster: cluster ?? manifest.cluster },
      };
    }
  }
  const onNotice = (notice: string) => notices.push(notice);
  const id = await newestSet(newestFirst(), { url: 'file:///r', text: 'latest', now, onNotice, ...options });
  return { id, notices };
}

const ambiguous = (...named: string[]) => ({
  code: 'BACKUP_AMBIGUOUS',
  message: expect.stringMatching(named.map(one => `(?=.*${one})`).join('')),
});

describe('the newest set', () => {
  it('is one of the whole cluster, whatever smaller one came later, and that is told', async () => {
    const later = whole(21, { selection: teamA });
    const { id, notices } = await choose([whole(19), whole(20), later]);
    expect(id).toBe(whole(20).id);
    expect(notices).toEqual([`${later.id} is newer than ${id}, but was passed over: it holds namespaces team-a only`]);
  });

  it('may leave out what is excluded by name', async () => {
    const set = whole(20, { selection: { excludeNamespaces: ['scratch'], excludeKinds: ['pods'] } });
    expect(await choose([whole(19), set])).toEqual({ id: set.id, notices: [] });
  });

  it.each([
    ['of some kinds', { includeKinds: ['configmaps'] }],
    ['of some objects', { labelSelector: 'app=web' }],
    ['of all namespaces without what belongs to none', { includeNamespaces: ['*'] }],
    ['without cluster-scoped objects', { clusterScoped: 'never' }],
  ] as const)('is none %s', async (_, selection) => {
    expect((await choose([whole(19), whole(20, { selection })])).id).toBe(whole(19).id);
  });

  it('is the smaller one where what it holds is all that is wanted', async () => {
    const wanted = { ...everything, includeNamespaces: ['team-b', 'team-b-test'] };
    const sets = [whole(19), whole(20, { selection: teamB }), whole(21, { selection: teamA })];
    expect((await choose(sets, { wanted })).id).toBe(whole(20).id);
    expect((await choose(sets, { wanted: { ...wanted, clusterScoped: 'always' } })).id).toBe(whole(19).id);
    expect((await choose(sets, { wanted: { ...wanted, includeNamespaces: ['team-b', 'team-c'] } })).id).toBe(whole(19).id);
    const without = whole(22, { selection: { excludeNamespaces: ['team-b*'] } });
    expect((await choose([...sets, without], { wanted })).id).toBe(whole(20).id);
  });

  it('is the smaller one where there are only such, and that is told', async () => {
    const sets = [whole(19, { selection: teamA }), whole(20, { selection: teamA })];
    expect(await choose(sets)).toEqual({
      id: whole(20).id,
      notices: [`no backup holds a whole cluster; ${whole(20).id} holds namespaces team-a only`],
    });
  });

  it('is not guessed among parts, of which one with its Namespace objects and one without are the same', async () => {
    const sets = [whole(19, { selection: teamA }), whole(20, { selection: { includeNamespaces: ['team-a'] } })];
    expect((await choose(sets)).id).toBe(whole(20).id);
    expect((await choose(sets, { within: ['team-a', 'team-a-*'] })).id).toBe(whole(20).id);
  });

  it('is not guessed among sets of different parts of a cluster', async () => {
    const sets = [whole(18, { selection: teamA }), whole(19, { selection: teamA }), whole(20, { selection: teamB })];
    await expect(choose(sets)).rejects.toMatchObject(ambiguous(`${whole(20).id} \\(namespaces team-b, team-b-\\*`, whole(19).id));
  });

  it('is not guessed among clusters of which the last days have sets: the new cluster’s first one is not what was lost', async () => {
    const sets = [whole(19, { cluster: old }), whole(20, { cluster: old }), whole(21)];
    await expect(choose(sets)).rejects.toMatchObject(ambiguous(`${whole(21).id}.*cluster.example`, `${whole(20).id}.*old.example`));
    const facts = 'a whole cluster, 2 objects, begun 2026-11-20T02:00:00Z, of the cluster old at https://old.example';
    const hint = expect.stringMatching(
      /--cluster b6c1 or --cluster old or --cluster own \(.* not one that was lost\), or name one by its id/,
    );
    await expect(choose(sets)).rejects.toMatchObject({ message: expect.stringContaining(facts), hint });
  });

  it('is told once for each cluster where several may be meant', async () => {
    const without = { selection: { excludeNamespaces: ['scratch'] } };
    const sets = [whole(18, { cluster: old }), whole(19, { cluster: old, ...without }), whole(20), whole(21, without)];
    const message = expect.not.stringMatching(new RegExp(`${whole(18).id}|${whole(20).id}`));
    await expect(choose(sets)).rejects.toMatchObject({ ...ambiguous(whole(21).id, whole(19).id) });
    await expect(choose(sets)).rejects.toMatchObject({ message });
  });

  it('is that of the cluster that is named, however young those of others are', async () => {
    const cluster = (...uids: string[]) => ({ words: uids.join(' or '), includes: ({ uid }: { uid: string }) => uids.includes(uid) });
    const sets = [whole(19, { cluster: old }), whole(20, { cluster: old, selection: teamA }), whole(21)];
    expect(await choose(sets, { cluster: cluster('old') })).toMatchObject({ id: whole(19).id });
    expect(await choose(sets, { cluster: cluster('b6c1') })).toEqual({ id: whole(21).id, notices: [] });
    await expect(choose(sets, { cluster: cluster('old', 'b6c1') })).rejects.toMatchObject({ code: 'BACKUP_AMBIGUOUS' });
    const none = { code: 'BACKUP_NOT_FOUND', message: expect.stringMatching(/no backup of third at all; .*cluster b6c1 .*cluster old at/) };
    await expect(choose(sets, { cluster: cluster('third') })).rejects.toMatchObject(none);
    const unseen = { message: 'file:///r holds no backup of third at all' };
    await expect(choose(sets, { cluster: cluster('third'), within: ['team-a'] })).rejects.toMatchObject(unseen);
  });

  it('is not that of a lost cluster where the own one has PartiallyFailed ones since', async () => {
    const sets = [whole(5, { cluster: old }), whole(20, { phase: 'PartiallyFailed' }), whole(21, { phase: 'PartiallyFailed' })];
    await expect(choose(sets)).rejects.toMatchObject(ambiguous(whole(5).id, whole(21).id));
  });

  it('is that of the cluster that goes on, once the other one has had none for a week', async () => {
    expect((await choose([whole(12, { cluster: old }), whole(21)])).id).toBe(whole(21).id);
    expect((await choose([whole(12, { cluster: old }), whole(21, { selection: teamA })])).id).toBe(whole(12).id);
  });

  it('is the newest PartiallyFailed one of the whole cluster where none is Completed', async () => {
    const sets = [whole(19, { phase: 'PartiallyFailed' }), whole(20, { phase: 'PartiallyFailed' }), whole(21, { selection: teamA })];
    expect((await choose(sets)).id).toBe(whole(20).id);
  });

  it('is within what the asker may see, who is told nothing of others', async () => {
    const sets = [whole(19), whole(20, { selection: teamA }), whole(21, { selection: teamB })];
    expect((await choose(sets, { within: ['team-a'] })).id).toBe(whole(20).id);
    expect((await choose(sets.slice(1), { within: ['team-a'] })).id).toBe(whole(20).id);
    await expect(choose(sets.slice(2), { within: ['team-a'] })).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    const both = [whole(20, { cluster: old }), whole(21)];
    const message = `latest may mean the backup of more than one cluster: ${whole(21).id}; ${whole(20).id}`;
    const hint = expect.not.stringMatching(/b6c1|--cluster old/);
    await expect(choose(both, { within: ['team-a'] })).rejects.toMatchObject({ code: 'BACKUP_AMBIGUOUS', message, hint });
  });
});
