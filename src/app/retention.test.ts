import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCountingStore, ofSets } from '../../test/helpers/counting-store.ts';
import { takenDaily } from '../../test/helpers/deletions.ts';
import { makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { noProgress } from '../domain/runtime.ts';
import { hold, release } from '../repository/holds.ts';
import { manifestKey } from '../repository/layout.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import type { Keys } from './keys.ts';
import { openRetention } from './retention.ts';

const { signal } = new AbortController();

describe('several backups that one command deletes', () => {
  let at: RetentionLocation;
  let [first, second, third, newest] = ['', '', '', ''];
  beforeEach(async () => {
    at = await makeRetentionLocation();
    [first, second, third] = [await at.taken('2026-11-01'), await at.taken('2026-11-02'), await at.taken('2026-11-03')];
    newest = await at.taken('2026-11-23');
  });
  afterEach(() => at.remove());

  async function open() {
    const { privatePem, publicPem } = at.keys;
    const store = createCountingStore(at.repository.store);
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
    return { ...commands, remove, store };
  }

  /** What a service writes beside its sets. */
  async function keepSnapshot(minutesAgo: number): Promise<void> {
    const catalog = openLiveCatalog(at.repository, { trusted: [at.keys.publicPem] });
    await catalog.refresh();
    const runtime = { now: () => new Date(now.getTime() - minutesAgo * 60_000) };
    expect(await catalog.keepSnapshot({ signingKey: at.keys.privatePem, runtime })).toBe(true);
  }

  it('do not take a look at all the others each', async () => {
    const other = await at.taken('2026-11-04');
    const { remove, planDeletion, store } = await open();
    for (const set of [first, second, third]) expect((await planDeletion(set, [])).refusal).toBeUndefined();
    for (const set of [first, second, third]) expect(await remove(set)).toMatchObject({ set, result: 'deleted' });
    const bystander = store.take().filter(one => one === `get ${manifestKey(other)}`);
    expect(bystander).toHaveLength(1);
    expect(await at.visible()).toEqual([other, newest]);
  });

  it('are judged by the snapshot that a service has kept: of three hundred sets no more are read than of a few', async () => {
    const asked = async (set: string, minutesAgo: number) => {
      await keepSnapshot(minutesAgo);
      const { remove, planDeletion, store } = await open();
      expect((await planDeletion(set, [])).refusal).toBeUndefined();
      expect(await remove(set)).toMatchObject({ set, result: 'deleted' });
      return store.take().map(one => one.replaceAll(set, 'it'));
    };
    const few = await asked(first, 2);
    const many = await takenDaily(at, '2026-11-01', 300);
    const more = await asked(many[150]!, 1);
    expect(ofSets(more)).toEqual(ofSets(few));
    expect(more.length).toBeLessThan(100);
  }, 120_000);

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
