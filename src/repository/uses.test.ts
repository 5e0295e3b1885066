import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeRepository, type TestRepository, wrapStore } from '../../test/contract/repository-fixture.ts';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { HoldfastError } from '../domain/errors.ts';
import { beginDeletion } from './holds.ts';
import type { Repository } from './repository.ts';
import { beginUse, clearUses, clearUsesOf, isAwaited, listUses, type UseOptions } from './uses.ts';

const minute = 60_000;
const set = '20261101T020000Z-daily-aaaa';

let location: TestRepository;
beforeEach(async () => {
  location = await makeRepository({ plaintext: true });
});
afterEach(() => location.remove());

/** A reader with a clock of its own, which begins at the time of the store’s. */
function reader(repository: Repository = location.repository) {
  const runtime = manualTime(new Date().toISOString());
  const troubles: string[] = [];
  const options: UseOptions = { kind: 'restore', by: 'alice', runtime, onTrouble: why => troubles.push(why) };
  return { runtime, troubles, begin: (of = set) => beginUse(repository, of, options) };
}
const later = (minutes: number) => new Date(Date.now() + minutes * minute);
const uses = async (now = new Date()) => Object.fromEntries(await listUses(location.repository, { now }));
const keys = () => Array.fromAsync(location.repository.store.list('uses/'), ({ key }) => key);
/** Makes all records look as if they were written so long ago, by the store’s clock. */
const age = async (minutes: number) => {
  for (const key of await keys()) await utimes(join(location.dir, key), later(-minutes), later(-minutes));
};

describe('a set that somebody reads', () => {
  it('is in use until the reader has ended, and nothing is left of it', async () => {
    const { begin, troubles } = reader();
    const [one, other] = [await begin(), await begin('all')];
    expect(await uses()).toEqual({ [set]: 'being restored by alice', all: 'being restored by alice' });
    await one.close();
    expect(await uses()).toEqual({ all: 'being restored by alice' });
    await other.close();
    expect([await keys(), troubles]).toEqual([[], []]);
  });

  it('is in use for as long as the reader says so anew, by one record at a time', async () => {
    const { begin, runtime } = reader();
    const use = await begin();
    const [first] = await keys();
    for (let beat = 0; beat < 12; beat++) {
      while (runtime.sleeping().length === 0) await runtime.advance(0);
      await runtime.advance(5 * minute);
    }
    while (runtime.sleeping().length === 0) await runtime.advance(0);
    const [last, ...others] = await keys();
    expect([last === first, others]).toEqual([false, []]);
    // By the clock of the store they are all of now; by the reader’s, the last one is an hour younger.
    await age(120);
    expect(await uses(runtime.now())).toEqual({ [set]: 'being restored by alice' });
    await use.close();
    expect(await keys()).toEqual([]);
  });

  it('is in use for half an hour after a reader that was killed, by whichever clock is later, and is then cleared', async () => {
    const { begin } = reader();
    await begin();
    const clear = (now: Date) => clearUses(location.repository, { now, mayDelete: () => {} });
    expect(await uses(later(29))).toEqual({ [set]: 'being restored by alice' });
    await clear(later(29));
    expect(await keys()).toHaveLength(1);
    expect(await uses(later(31))).toEqual({});
    await clear(later(31));
    expect(await keys()).toEqual([]);
  });

  it('is not in use for ever because of a clock that ran ahead', async () => {
    const runtime = manualTime(later(100_000).toISOString());
    await beginUse(location.repository, set, { kind: 'verify', by: 'bob', runtime, onTrouble: () => {} });
    expect(await uses()).toEqual({ [set]: 'being verified by bob' });
    expect(await uses(later(31))).toEqual({});
  });

  it('is in use by a record that cannot be read, too, for as long', async () => {
    await location.repository.store.put(`uses/${set}/0011223344556677-0001.json`, Buffer.from('{}\n{}\n'));
    expect(await uses()).toEqual({ [set]: expect.stringContaining('cannot be read') });
    expect(await uses(later(31))).toEqual({});
  });
});

describe('a set that an operation reads', () => {
  const operation = '20261101T020000Z-restore-aaaa';
  const begin = (of = operation) =>
    beginUse(location.repository, set, {
      ...{ kind: 'restore', by: 'alice', operation: of, runtime: manualTime(new Date().toISOString()), onTrouble: () => {} },
    });

  it('is in use no more when a process has ended it that went on after another was killed', async () => {
    await begin();
    const [first] = await keys();
    const other = await begin('20261101T020000Z-verify-bbbb');
    const next = await begin();
    expect(await keys()).toHaveLength(2);
    expect(await keys()).not.toContain(first);
    await next.close();
    expect(await uses()).toEqual({ [set]: 'being restored by alice' });
    await other.close();
    expect(await keys()).toEqual([]);
  });

  it('is in use no more where it was killed and nobody goes on with it, and by others still', async () => {
    await begin();
    const { begin: beginByHand } = reader();
    const byHand = await beginByHand();
    await clearUsesOf(location.repository, [operation], {});
    expect(await keys()).toHaveLength(1);
    await byHand.close();
    expect(await keys()).toEqual([]);
  });
});

describe('the record of an operation without a result', () => {
  it('counts for a day since it was asked for, and not by a clock that ran ahead', () => {
    const at = new Date('2026-11-23T12:00:00Z');
    const counts = (minutesBefore: number) => isAwaited({ createdAt: new Date(at.getTime() - minutesBefore * minute).toISOString() }, at);
    expect([-11, -10, 0, 24 * 60 - 1, 24 * 60].map(counts)).toEqual([false, true, true, true, false]);
  });
});

describe('a reader', () => {
  it('that may write nothing goes on, and says once that retention does not know', async () => {
    const put = () => Promise.reject(new HoldfastError('STORE_FORBIDDEN', 'writing is not allowed'));
    const { begin, troubles, runtime } = reader({ ...location.repository, store: wrapStore(location.repository.store, { put }) });
    const use = await begin();
    await runtime.advance(20 * minute);
    await use.close();
    expect(troubles).toEqual([`writing is not allowed: retention may delete ${set} while it is being restored`]);
  });

  it('that may delete nothing leaves what ends by itself, and says nothing', async () => {
    const remove = () => Promise.reject(new HoldfastError('STORE_FORBIDDEN', 'deleting is not allowed'));
    const { begin, troubles } = reader({ ...location.repository, store: wrapStore(location.repository.store, { delete: remove }) });
    await (await begin()).close();
    expect([await keys(), troubles]).toMatchObject([{ length: 1 }, []]);
  });

  it('of a set whose deletion was begun is told so', async () => {
    const { keys: signing, repository } = location;
    await beginDeletion(repository, set, { signingKey: signing.privatePem, reason: 'old', by: 'retention', now: new Date() });
    const { begin, troubles } = reader();
    const use = await begin();
    expect(troubles).toEqual([expect.stringContaining('its deletion was begun')]);
    await use.close();
  });
});
