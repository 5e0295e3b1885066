import { cp, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { allFiles, collect } from '../../test/contract/repository-fixture.ts';
import { damageFile, deletionOptions, flipped } from '../../test/helpers/deletions.ts';
import { createDyingStore } from '../../test/helpers/dying-store.ts';
import { firesOf, makeRetentionLocation, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import type { HoldfastError } from '../domain/errors.ts';
import { noProgress } from '../domain/runtime.ts';
import { listSets } from '../repository/catalog.ts';
import { hold, release } from '../repository/holds.ts';
import { manifestKey } from '../repository/layout.ts';
import { claimKey } from '../repository/run-claim.ts';
import { verifyRepository } from '../repository/verify.ts';
import { createFileStore } from '../storage/file-store.ts';
import { deleteByHand } from './delete-by-hand.ts';

/** Fewer calls would mean that the deletion did not do what it is killed in. */
const fewestCalls = 30;

let at: RetentionLocation;
let newest: string;
beforeEach(async () => {
  at = await makeRetentionLocation();
  newest = await at.taken('2026-11-23');
});
afterEach(() => at.remove());

describe('killed at any call to the store', () => {
  let expected: string[];

  async function killedAt(call: number, isDone: boolean, id: string): Promise<boolean> {
    const dir = await tempDir('killed');
    try {
      await cp(at.dir, dir, { recursive: true, preserveTimestamps: true });
      const store = createFileStore(dir);
      const rest = { ...at.repository, store };
      const dying = createDyingStore(store, call, isDone);
      const record = async () => void (await dying.head('ledger/00000001.json'));
      await deleteByHand(id, deletionOptions(at, { repository: { ...rest, store: dying }, record })).catch(() => {});
      const { died } = dying;
      const verified = await verifyRepository(rest, {
        ...{ trusted: [at.keys.publicPem], progress: noProgress, signal: new AbortController().signal, identities: [] },
      });
      expect(verified.sets.filter(({ id: of, state }) => state === 'damaged' && of !== id)).toEqual([]);
      expect((await collect(listSets(rest))).map(one => one.id)).toContain(newest);
      await deleteByHand(id, deletionOptions(at, { repository: rest })).catch((thrown: HoldfastError) =>
        expect(thrown.code).toBe('BACKUP_NOT_FOUND'),
      );
      expect([...(await allFiles(store)).keys()]).toEqual(expected);
      return died;
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  it.each([
    ['before it did anything', false, false],
    ['after it was done', true, false],
    ['of a set that cannot be read', true, true],
  ])(
    '%s: the same command finishes it, and no other set is touched',
    async (_, isDone, isBad) => {
      expected = await at.keysBelow('');
      const id = await at.taken('2026-11-20');
      await hold(at.repository, id, at.alice());
      await release(at.repository, id, at.alice());
      if (isBad) {
        await damageFile(at, manifestKey(id), flipped);
        await damageFile(at, claimKey(firesOf(id)[0]), flipped);
      }
      let call = 1;
      while (await killedAt(call, isDone, id)) call += 1;
      expect(call).toBeGreaterThan(fewestCalls);
    },
    180_000,
  );
});
