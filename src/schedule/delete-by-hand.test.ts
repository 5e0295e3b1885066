import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allFiles, configMap, newKeys, writeSet } from '../../test/contract/repository-fixture.ts';
import { damageFile, deletionOptions, flipped, takenByHand } from '../../test/helpers/deletions.ts';
import { createDyingStore } from '../../test/helpers/dying-store.ts';
import { firesOf, makeRetentionLocation, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { HoldfastError } from '../domain/errors.ts';
import { listSets } from '../repository/catalog.ts';
import { demandKey } from '../repository/demand-claim.ts';
import { beginDeletion, begunDeletions, giveUpDeletion, hold } from '../repository/holds.ts';
import { fileKey, manifestKey, setPrefix } from '../repository/layout.ts';
import { decodeManifest, encodeManifest } from '../repository/manifest.ts';
import { claimKey } from '../repository/run-claim.ts';
import { type DeletionOptions, deleteByHand } from './delete-by-hand.ts';
import { readDeletionPlan } from './deletion-plan.ts';

let at: RetentionLocation;
let newest: string;
beforeEach(async () => {
  at = await makeRetentionLocation();
  newest = await at.taken('2026-11-23');
});
afterEach(() => at.remove());

const options = (changes: Partial<DeletionOptions> = {}) => deletionOptions(at, changes);
const remove = (id: string, changes: Partial<DeletionOptions> = {}) => deleteByHand(id, options(changes));
const planOf = (id: string) => readDeletionPlan(id, options());
const byHand = (day: string) => takenByHand(at, day);
const damage = (key: string, change: (bytes: Buffer) => Uint8Array) => damageFile(at, key, change);

describe('a deletion by hand', () => {
  it('takes all that belongs to the set, its claim too, and nothing else', async () => {
    const young = await at.taken('2026-11-22');
    const before = await allFiles(at.repository.store);
    const gone = await remove(young);
    expect(gone).toMatchObject({ set: young, result: 'deleted', objects: 2, volumes: [] });
    const own = [...before].filter(([key]) => key.startsWith(setPrefix(young)));
    expect([gone.files, gone.storedBytes]).toEqual([own.length, own.reduce((sum, [, bytes]) => sum + bytes.length, 0)]);
    const after = await allFiles(at.repository.store);
    expect([...after.keys()]).toEqual([...before.keys()].filter(key => !key.includes(young) && key !== claimKey(firesOf(young)[0])));
    expect([...after].every(([key, bytes]) => bytes.equals(before.get(key)!))).toBe(true);
  });

  it('tells the ledger first: who asked, why, and what would have kept it', async () => {
    const young = await at.taken('2026-11-22');
    let seen: string[] = [];
    const record = async (fact: (typeof at.facts)[number]) => {
      at.facts.push(fact);
      seen = await at.visible();
    };
    await remove(young, { reason: 'it holds a password', record });
    expect(seen).toContain(young);
    expect(at.facts).toEqual([
      {
        ...{ action: 'set.deleted', actor: { name: 'alice', via: 'cli' }, subject: young },
        details: expect.objectContaining({
          reasons: ['somebody asked for it: it holds a password', 'otherwise kept: daily until 2026-12-22'],
          tier: 'daily',
        }),
      },
    ]);
  });

  it('leaves the set where the ledger cannot be told, and goes on with the next try', async () => {
    const young = await at.taken('2026-11-22');
    const record = async () => Promise.reject(new HoldfastError('STORE_FULL', 'no room'));
    await expect(remove(young, { record })).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(await at.visible()).toContain(young);
    await remove(young);
    expect(await at.keysBelow('')).toEqual(expect.not.arrayContaining([expect.stringContaining(young)]));
  });

  it('is one of a set that there is', async () => {
    await expect(remove('20200101T020000Z-daily-zzzz')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    const halfWritten = await at.taken('2026-11-20', 'files');
    await expect(remove(halfWritten)).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    expect(await at.keysBelow(setPrefix(halfWritten))).not.toEqual([]);
  });

  it('is refused for one that is held, read or needed, and leaves no trace then', async () => {
    const [old, young] = [await byHand('2026-11-01'), await at.taken('2026-11-22')];
    await hold(at.repository, young, at.alice());
    const before = await at.keysBelow('');
    await expect(remove(young)).rejects.toMatchObject({ code: 'BACKUP_HELD', message: `${young} is held by alice: audit` });
    const busy = async () => new Map([[old, 'being restored by bob']]);
    await expect(remove(old, { busy })).rejects.toMatchObject({ code: 'BACKUP_IN_USE', message: `${old} is being restored by bob` });
    await expect(remove(newest)).rejects.toMatchObject({ code: 'BACKUP_NEEDED', message: expect.stringContaining('tier daily') });
    expect([await at.keysBelow(''), at.facts]).toEqual([before, []]);
    expect(await planOf(old)).toMatchObject({ phase: 'Completed', tier: 'manual', objects: 2 });
    expect((await planOf(young)).refusal?.code).toBe('BACKUP_HELD');
  });

  it('is given up where somebody begins to read the set, or holds it, meanwhile', async () => {
    const old = await byHand('2026-11-01');
    let asked = 0;
    const busy = async () => new Map(++asked === 2 ? [[old, 'being restored by bob']] : []);
    await expect(remove(old, { busy })).rejects.toMatchObject({ code: 'BACKUP_IN_USE' });
    expect([await begunDeletions(at.repository), at.facts]).toEqual([new Set(), []]);
    const holding = async () => {
      if (++asked === 3) await hold(at.repository, old, at.alice());
      return new Map<string, string>();
    };
    await expect(remove(old, { busy: holding })).rejects.toMatchObject({ code: 'BACKUP_HELD', message: `${old} is held by alice: audit` });
    expect(await at.visible()).toContain(old);
  });

  it('is given up where another run took it back: it could be held since', async () => {
    const old = await byHand('2026-11-01');
    let asked = 0;
    const busy = async () => {
      if (++asked === 2) await giveUpDeletion(at.repository, old, at.alice());
      return new Map<string, string>();
    };
    await expect(remove(old, { busy })).rejects.toMatchObject({ code: 'BACKUP_IN_USE' });
    expect([await at.visible(), at.facts]).toEqual([[old, newest], []]);
  });

  it('of two last sets that two people delete at one time leaves at least one', async () => {
    const empty = await makeRetentionLocation();
    try {
      const ids = ['2026-11-01', '2026-11-02'].map(day => `${day.replaceAll('-', '')}T090000Z-manual-bbbb`);
      for (const id of ids)
        await writeSet(empty.repository, empty.keys, { id, objects: [configMap('a')], plaintext: true, tier: 'manual' });
      const { limits: _limits, ...rest } = empty.options();
      const sets = () => Array.fromAsync(listSets(empty.repository));
      const one = (id: string) => deleteByHand(id, { ...rest, sets });
      await Promise.allSettled(ids.map(one));
      const [left = '', second] = await empty.visible();
      expect(left).not.toBe('');
      if (second !== undefined) await one(second);
      // One whose deletion was begun, and killed, counts as gone.
      await writeSet(empty.repository, empty.keys, {
        id: '20261103T090000Z-manual-cccc',
        objects: [configMap('a')],
        plaintext: true,
        tier: 'manual',
      });
      await beginDeletion(empty.repository, '20261103T090000Z-manual-cccc', empty.alice());
      await expect(one(left)).rejects.toMatchObject({ code: 'BACKUP_NEEDED' });
    } finally {
      await empty.remove();
    }
  });

  it('writes nothing any more once the lead is lost', async () => {
    const young = await at.taken('2026-11-22');
    const before = await at.keysBelow('');
    const check = () => {
      throw new HoldfastError('NOT_LEADER', 'another replica leads');
    };
    await expect(remove(young, { fence: { check } })).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(await at.keysBelow('')).toEqual(before);
  });

  it('goes on by retention as well, where its set was gone from sight', async () => {
    const young = await at.taken('2026-11-22');
    const dying = createDyingStore(at.repository.store, Number.POSITIVE_INFINITY, true);
    let deletes = 0;
    const store = { ...dying, delete: async (key: string) => (++deletes > 3 ? Promise.reject(new Error('killed')) : dying.delete(key)) };
    await expect(remove(young, { repository: { ...at.repository, store } })).rejects.toThrow('killed');
    expect(await at.visible()).toEqual([newest]);
    const rest = await planOf(young);
    expect(rest).toMatchObject({ phase: 'Deleting', keptBy: [], volumes: [] });
    expect(rest).not.toHaveProperty('objects');
    expect((await at.run()).items).toMatchObject([{ set: young, result: 'cleared' }]);
    expect((await at.keysBelow('')).filter(key => key.includes(young))).toEqual([]);
  });
});

describe('a set that cannot be read', () => {
  it('goes with its claim, so that nothing brings it back, where its manifest is damaged for good', async () => {
    const bad = await at.taken('2026-11-22');
    await damage(manifestKey(bad), flipped);
    await damage(claimKey(firesOf(bad)[0]), bytes => Buffer.from(bytes.toString().replace('"objects":2', '"objects":3')));
    const plan = await planOf(bad);
    expect(plan).toMatchObject({
      phase: 'Unreadable',
      error: { code: 'SIGNATURE_INVALID' },
      keptBy: [expect.stringContaining('unreadable')],
    });
    expect(plan).not.toHaveProperty('refusal');
    expect(await remove(bad)).toMatchObject({ set: bad, result: 'deleted' });
    expect(at.facts[0]?.details).toMatchObject({ unreadable: expect.stringContaining('does not match its signature') });
    const left = await at.keysBelow('');
    expect(left.filter(key => key.includes(bad) || key === claimKey(firesOf(bad)[0]))).toEqual([]);
    expect((await at.run()).items).toEqual([]);
    expect(await at.visible()).toEqual([newest]);
  });

  it('stays where a claim or the record of its operation still has its manifest, and the way back is said', async () => {
    const bad = await at.taken('2026-11-22');
    const written = await readFile(join(at.dir, manifestKey(bad)));
    await damage(manifestKey(bad), () => Buffer.from('{}'));
    await expect(remove(bad)).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      hint: expect.stringContaining(`copy ${claimKey(firesOf(bad)[0])} over ${manifestKey(bad)}`),
    });
    await at.repository.store.delete(claimKey(firesOf(bad)[0]));
    const operation = '20261122T020000Z-backup-aaaa';
    await at.repository.store.put(demandKey(operation), written);
    await expect(remove(bad)).rejects.toMatchObject({ hint: expect.stringContaining(`copy ${demandKey(operation)} over`) });
    await damage(manifestKey(bad), () => written);
    expect((await planOf(bad)).phase).toBe('Completed');
    await damage(manifestKey(bad), () => Buffer.from('{}'));
    // A copy of which a file is gone is worth nothing.
    const { manifest } = decodeManifest(written);
    await at.repository.store.delete(fileKey(bad, manifest.shards[0]!.name));
    expect(await remove(bad)).toMatchObject({ result: 'deleted' });
  });

  it('stays where it is whole, and only signed by a key that is not trusted here', async () => {
    const [good, other] = [await byHand('2026-11-22'), await newKeys()];
    const { manifest } = decodeManifest(await readFile(join(at.dir, manifestKey(good))));
    await damage(manifestKey(good), () => Buffer.from(encodeManifest(manifest, other.privatePem)));
    await expect(remove(good)).rejects.toMatchObject({ code: 'BACKUP_NEEDED', hint: expect.stringContaining('--signing-public-key') });
    // The repository's own key counts, whatever is trusted.
    await damage(manifestKey(good), () => Buffer.from(encodeManifest(manifest, at.keys.privatePem)));
    const trusted = [other.publicPem];
    const written = await readFile(join(at.dir, manifestKey(newest)));
    await damage(manifestKey(newest), () => Buffer.from(encodeManifest(decodeManifest(written).manifest, other.privatePem)));
    await expect(remove(good, { trusted })).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      message: expect.stringContaining('not trusted here'),
    });
    expect(await at.visible()).toContain(good);
    await damage(manifestKey(newest), () => written);
    // A forgery lacks the files.
    await damage(manifestKey(good), () => Buffer.from(encodeManifest(manifest, other.privatePem)));
    await at.repository.store.delete(fileKey(good, manifest.index[0]!.name));
    expect(await remove(good)).toMatchObject({ result: 'deleted' });
  });

  it('stays where a newer version wrote it', async () => {
    const newer = await byHand('2026-11-22');
    const { manifest } = decodeManifest(await readFile(join(at.dir, manifestKey(newer))));
    await damage(manifestKey(newer), () => Buffer.from(encodeManifest({ ...manifest, formatVersion: 2 as 1 }, at.keys.privatePem)));
    await expect(remove(newer)).rejects.toMatchObject({ code: 'BACKUP_NEEDED', message: expect.stringContaining('a newer version') });
  });

  it('stays where nothing else can be read either', async () => {
    const bad = await byHand('2026-11-22');
    await damage(manifestKey(bad), flipped);
    await damage(manifestKey(newest), flipped);
    await expect(remove(bad)).rejects.toMatchObject({
      code: 'BACKUP_NEEDED',
      message: expect.stringContaining('no complete set that can'),
    });
  });
});
