import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import { createFaultyStore } from '../../test/helpers/faulty-store.ts';
import { generateSigningKey } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type HoldRecord, holdKey, holdNumbers } from './hold-records.ts';
import { beginDeletion, begunDeletions, giveUpDeletion, type HoldWriteOptions, hold, holdOf, listHolds, release } from './holds.ts';
import { manifestKey } from './layout.ts';
import { readBytes } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { encodeSigned } from './signed-file.ts';

const set = '20261123T020000Z-daily-aaaa';
const other = '20261123T020000Z-daily-bbbb';

let location: TestRepository;
let repository: Repository;

beforeEach(async () => {
  location = await makeRepository();
  repository = location.repository;
  for (const id of [set, other]) await writeSet(repository, location.keys, { id, objects: [configMap('a')] });
});
afterEach(() => location.remove());

function by(who: string, reason = `${who}’s reason`): HoldWriteOptions {
  const { privatePem, publicPem } = location.keys;
  return { signingKey: privatePem, trusted: [publicPem], by: who, reason, now: new Date('2026-11-23T12:00:00Z') };
}

const held = (who: string) => ({ set, by: who, reason: `${who}’s reason`, at: '2026-11-23T12:00:00.000Z' });
const holds = () => listHolds(repository, { trusted: [location.keys.publicPem] });
const numbers = () => holdNumbers(repository, set, {});

/** A record that anybody with access to the store could lay there. */
async function lay(seq: number, changes: Partial<HoldRecord>, signingKey = location.keys.privatePem, at = seq): Promise<void> {
  const record: HoldRecord = {
    ...{ formatVersion: 1, repository: repository.info.id, set, seq, held: false, reason: '', by: 'mallory', at: '2026-11-23T12:00:00Z' },
    ...changes,
  };
  await repository.store.put(holdKey(set, at), encodeSigned(record, signingKey));
}

describe('a hold', () => {
  it('is listed until it is released, and each change is a record of its own', async () => {
    expect(await hold(repository, set, by('alice'))).toEqual(held('alice'));
    expect(await holds()).toEqual([held('alice')]);
    await release(repository, set, by('bob'));
    expect(await holds()).toEqual([]);
    expect(await hold(repository, set, by('carol'))).toEqual(held('carol'));
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  it('keeps its first reason when the set is held again', async () => {
    await hold(repository, set, by('alice'));
    expect(await hold(repository, set, by('bob'))).toEqual(held('alice'));
    expect(await numbers()).toEqual([1]);
  });

  it('is two lines, the second a signature of the first', async () => {
    await hold(repository, set, by('alice', 'audit'));
    const [content, proof] = (await readBytes(repository.store, holdKey(set, 1), 1e4, {}))!.toString().trimEnd().split('\n');
    expect(JSON.parse(content!)).toEqual({
      ...{ formatVersion: 1, repository: repository.info.id, set, seq: 1, held: true, reason: 'audit', by: 'alice' },
      at: '2026-11-23T12:00:00.000Z',
    });
    expect(JSON.parse(proof!)).toHaveProperty('signature.algorithm', 'ed25519');
  });

  it.each(['20261123T020000Z-daily-zzzz', '../backups', 'latest'])('of %s, which is no set, is refused', async id => {
    await expect(hold(repository, id, by('alice'))).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    expect(await holds()).toEqual([]);
  });

  it('cannot be released where there is none', async () => {
    await expect(release(repository, set, by('bob'))).rejects.toMatchObject({ code: 'HOLD_NOT_FOUND' });
    await expect(release(repository, '../backups', by('bob'))).rejects.toMatchObject({ code: 'HOLD_NOT_FOUND' });
  });

  it('is not left behind for a set that was deleted at the same moment', async () => {
    const store = wrapStore(repository.store, {
      put: async (...args) => {
        await repository.store.delete(manifestKey(set));
        return repository.store.put(...args);
      },
    });
    await expect(hold({ ...repository, store }, set, by('alice'))).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    expect(await numbers()).toEqual([]);
  });
});

describe('two writers at once', () => {
  it('both see the hold of the one that was first', async () => {
    const found = await Promise.all(['alice', 'bob', 'carol'].map(who => hold(repository, set, by(who))));
    expect(new Set(found.map(one => one.by)).size).toBe(1);
    expect(await numbers()).toEqual([1]);
  });

  it('take the next number when theirs is gone', async () => {
    await hold(repository, set, by('alice'));
    let rivals = 2;
    const rival = (key: string) => (rivals-- > 0 ? encodeSigned({ ...record(key), held: true }, location.keys.privatePem) : undefined);
    const store = createFaultyStore(repository.store, { seed: 1, rival });
    await release({ ...repository, store }, set, by('bob'));
    expect([await numbers(), await holds()]).toEqual([[1, 2, 3, 4], []]);
  });

  it('take an answer that was lost for what it was', async () => {
    await hold(repository, set, by('alice'));
    let lost = 0;
    const store = wrapStore(repository.store, {
      put: async (...args) => {
        await repository.store.put(...args).catch(() => {});
        if (lost++ === 0) return repository.store.put(...args);
        throw new HoldfastError('STORE_ERROR', 'not again');
      },
    });
    await release({ ...repository, store }, set, by('bob'));
    expect([await numbers(), await holds()]).toEqual([[1, 2], []]);
  });

  function record(key: string): HoldRecord {
    const seq = Number(/(\d+)\.json$/.exec(key)?.[1]);
    return { formatVersion: 1, repository: repository.info.id, set, seq, held: true, reason: '', by: 'rival', at: '2026-11-23T12:00:00Z' };
  }
});

describe('a release record that cannot be believed', () => {
  beforeEach(async () => void (await hold(repository, set, by('alice'))));

  it.each<[string, () => Promise<void>]>([
    ['signed by a stranger', () => lay(2, {}, generateSigningKey().privatePem)],
    ['of another set', () => lay(2, { set: other })],
    ['of another repository', () => lay(2, { repository: '0'.repeat(32) })],
    ['of another number', () => lay(1, {}, location.keys.privatePem, 2)],
    ['of a newer format', () => lay(2, { formatVersion: 2 as 1 })],
    ['of no known form', () => lay(2, { held: 'no' as unknown as boolean })],
    ['that is no record', async () => void (await repository.store.put(holdKey(set, 2), Buffer.from('{"held":false}\n')))],
    ['cut off', async () => void (await repository.store.put(holdKey(set, 2), Buffer.from('')))],
  ])('%s leaves the set held, for the reason that is known', async (_, write) => {
    await write();
    expect(await holds()).toEqual([held('alice')]);
  });

  it('is overruled by the next one that can', async () => {
    await lay(2, {}, generateSigningKey().privatePem);
    await release(repository, set, by('bob'));
    expect([await numbers(), await holds()]).toEqual([[1, 2, 3], []]);
  });

  it('leaves a set held also where it had been released before', async () => {
    await release(repository, set, by('bob'));
    await lay(3, {}, generateSigningKey().privatePem);
    expect(await holds()).toEqual([expect.objectContaining({ set, reason: 'alice’s reason' })]);
  });

  it('says what it is where nothing else is known', async () => {
    await repository.store.put(holdKey(other, 1), Buffer.from('gone'));
    expect(await holdOf(repository, other)).toMatchObject({ by: 'unknown', reason: expect.stringContaining(holdKey(other, 1)) });
  });
});

describe('a deletion', () => {
  it('gives way to a hold that came before', async () => {
    await hold(repository, set, by('alice'));
    expect(await beginDeletion(repository, set, by('retention'))).toEqual(held('alice'));
    expect(await numbers()).toEqual([1]);
  });

  it('lets nobody hold the set once it began, until it is given up', async () => {
    expect(await beginDeletion(repository, set, by('retention'))).toBeUndefined();
    expect(await begunDeletions(repository)).toEqual(new Set([set]));
    await expect(hold(repository, set, by('alice'))).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    await giveUpDeletion(repository, set, by('retention'));
    expect(await begunDeletions(repository)).toEqual(new Set());
    expect(await hold(repository, set, by('alice'))).toEqual(held('alice'));
  });

  it('and a hold at the same moment: one of both is refused', async () => {
    for (let round = 0; round < 20; round++) {
      const id = `20261123T020000Z-daily-r${String(round).padStart(3, '0')}`;
      await writeSet(repository, location.keys, { id, objects: [configMap('a')] });
      const [holding, deleting] = await Promise.allSettled([
        hold(repository, id, by('alice')),
        beginDeletion(repository, id, by('retention')),
      ]);
      const mayDelete = deleting.status === 'fulfilled' && deleting.value === undefined;
      expect(mayDelete).toBe(holding.status === 'rejected');
    }
  });

  it('is begun once, however often it is taken up', async () => {
    for (let attempt = 0; attempt < 3; attempt++) expect(await beginDeletion(repository, set, by('retention'))).toBeUndefined();
    expect(await numbers()).toEqual([1]);
  });
});
