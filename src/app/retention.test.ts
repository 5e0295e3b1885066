import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wrapStore } from '../../test/contract/repository-fixture.ts';
import { makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { noProgress } from '../domain/runtime.ts';
import { hold, release } from '../repository/holds.ts';
import { manifestKey } from '../repository/layout.ts';
import type { Keys } from './keys.ts';
import { openRetention } from './retention.ts';

const { signal } = new AbortController();

describe('several backups that one command deletes', () => {
  let at: RetentionLocation;
  let [first, second, third, newest] = ['', '', '', ''];
  let reads: string[];
  beforeEach(async () => {
    at = await makeRetentionLocation();
    [first, second, third] = [await at.taken('2026-11-01'), await at.taken('2026-11-02'), await at.taken('2026-11-03')];
    newest = await at.taken('2026-11-23');
    reads = [];
  });
  afterEach(() => at.remove());

  async function open() {
    const { privatePem, publicPem } = at.keys;
    const store = wrapStore(at.repository.store, {
      get: (key, options) => {
        reads.push(key);
        return at.repository.store.get(key, options);
      },
    });
    const commands = await openRetention(
      {
        config: { policies: [platform], settings: {} },
        keys: { trusted: async () => [publicPem], signingKey: async () => privatePem } as unknown as Keys,
        runtime: { ...testRuntime, now: () => now },
        repository: { ...at.repository, store },
        cluster: () => Promise.reject(new Error('all sets are of one cluster')),
        resolve: async ({ text }) => text,
      },
      signal,
    );
    const remove = (set: string) => commands.deleteSet(set, undefined, { signal, progress: noProgress });
    return { ...commands, remove };
  }

  it('do not take a look at all the others each', async () => {
    const { remove, planDeletion } = await open();
    for (const set of [first, second, third]) expect((await planDeletion(set, [])).refusal).toBeUndefined();
    for (const set of [first, second, third]) expect(await remove(set)).toMatchObject({ set, result: 'deleted' });
    expect(reads.filter(key => key === manifestKey(newest))).toHaveLength(1);
    expect(await at.visible()).toEqual([newest]);
  });

  it('are each judged by what is held, and what has gone elsewhere, by then', async () => {
    const { remove } = await open();
    expect(await remove(first)).toMatchObject({ result: 'deleted' });
    await hold(at.repository, second, at.alice());
    await expect(remove(second)).rejects.toMatchObject({ code: 'BACKUP_HELD' });
    await release(at.repository, second, at.alice());
    for (const set of [third, newest]) await at.repository.store.delete(manifestKey(set));
    await expect(remove(second)).rejects.toMatchObject({ code: 'BACKUP_NEEDED' });
    expect(await at.visible()).toEqual([second]);
  });
});
