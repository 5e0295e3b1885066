import { cp, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { allFiles } from '../../test/contract/repository-fixture.ts';
import { createDyingStore } from '../../test/helpers/dying-store.ts';
import { idOf, makeRetentionLocation, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { noProgress } from '../domain/runtime.ts';
import { hold, release } from '../repository/holds.ts';
import { verifyRepository } from '../repository/verify.ts';
import { createFileStore } from '../storage/file-store.ts';

/** Fewer calls would mean that the run did not do what it is killed in. */
const fewestCalls = 50;

let at: RetentionLocation;
/** All that is left of it when retention has run to its end. */
let expected: string[];

/** One set that stays, two to be deleted, one of which was held once, and what a run left that was stopped. */
beforeEach(async () => {
  at = await makeRetentionLocation();
  await at.taken('2026-11-23');
  expected = await at.keysBelow('');
  for (const day of ['2026-01-01', '2026-01-02']) await at.taken(day);
  await hold(at.repository, idOf('2026-01-02'), at.alice());
  await release(at.repository, idOf('2026-01-02'), at.alice());
  await at.age(await at.taken('2026-01-03', 'files'));
});
afterEach(() => at.remove());

/** Kills a run on a copy at each of the calls, as often as told one after the other; false where it came to its end before the first. */
async function killedAt(calls: readonly number[], isDone: boolean): Promise<boolean> {
  const dir = await tempDir('killed');
  try {
    await cp(at.dir, dir, { recursive: true, preserveTimestamps: true });
    const store = createFileStore(dir);
    const rest = { ...at.repository, store };
    let died = false;
    for (const [nth, call] of calls.entries()) {
      const dying = createDyingStore(store, call, isDone);
      const record = async () => void (await dying.head('ledger/00000001.json'));
      await at.run({ repository: { ...rest, store: dying }, record }).catch(() => {});
      if (nth === 0) died = dying.died;
      const verified = await verifyRepository(rest, {
        trusted: [at.keys.publicPem],
        progress: noProgress,
        signal: new AbortController().signal,
        identities: [],
      });
      expect(verified.sets.filter(({ state }) => state === 'damaged')).toEqual([]);
      expect(await at.visible(rest)).toContain(idOf('2026-11-23'));
    }
    await at.run({ repository: rest });
    expect([...(await allFiles(store)).keys()]).toEqual(expected);
    return died;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

describe('killed at any call to the store', () => {
  it.each([
    ['before it did anything', false],
    ['after it was done', true],
  ])(
    '%s: only whole sets are seen, and the next run finishes',
    async (_, isDone) => {
      let call = 1;
      while (await killedAt([call], isDone)) call += 1;
      expect(call).toBeGreaterThan(fewestCalls);
    },
    120_000,
  );

  it('and killed again while it takes that up', async () => {
    for (let call = 8; call < fewestCalls; call += 5) await killedAt([call, fewestCalls - call, 12], call % 2 === 0);
  }, 120_000);
});
