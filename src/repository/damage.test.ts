import { afterEach, describe, expect, it } from 'vitest';
import {
  allFiles,
  collect,
  makeRepository,
  sample,
  type TestRepository,
  tampered,
  wrapStore,
  writeSet,
} from '../../test/contract/repository-fixture.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { listSets } from './catalog.ts';
import { fileKey } from './layout.ts';
import { openRepository } from './repository.ts';
import { openSet } from './set-reader.ts';
import { type VerifyOptions, verifyRepository, verifySet } from './verify.ts';

const id = '20261123T020000Z-daily-k3f9';
const opened: TestRepository[] = [];

afterEach(async () => {
  for (const location of opened.splice(0)) await location.remove();
});

async function location(): Promise<TestRepository> {
  const made = await makeRepository();
  opened.push(made);
  return made;
}

/** The findings of a verification, or the code of what made it impossible. */
async function damage(store: ObjectStore, options: VerifyOptions = {}): Promise<string[]> {
  try {
    const report = await verifyRepository(await openRepository(store), options);
    return report.sets.flatMap(set => (set.state === 'verified' ? [] : [set.state, ...set.findings.map(finding => finding.code)]));
  } catch (thrown) {
    if (isCode(thrown, 'BACKUP_CORRUPT', 'REPO_NOT_FOUND', 'REPO_UNSUPPORTED')) return [thrown.code];
    throw thrown;
  }
}

describe('damage', () => {
  it('is found wherever one bit of one byte of any file flips', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    const files = await allFiles(repository.store);
    expect(files.size).toBe(5);
    expect(await damage(repository.store)).toEqual([]);
    const unseen: string[] = [];
    for (const [key, bytes] of files) {
      const step = key.endsWith('.json') ? 3 : 5;
      for (let at = 0; at < bytes.length; at += at < 40 || at > bytes.length - 40 ? 1 : step) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 1 << (at % 8);
        if ((await damage(tampered(repository.store, key, flipped))).length === 0) unseen.push(`${key} at ${at}`);
      }
    }
    expect(unseen).toEqual([]);
  });

  it('is found where any file is cut, lengthened, emptied or missing', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    const unseen: string[] = [];
    for (const [key, bytes] of await allFiles(repository.store)) {
      const variants = [0, 1, bytes.length >> 1, bytes.length - 1].map(end => bytes.subarray(0, end));
      for (const variant of [...variants, Buffer.concat([bytes, Buffer.from([0x0a])]), Buffer.concat([bytes, bytes]), undefined]) {
        const found = await damage(tampered(repository.store, key, variant), { identities: [keys.identity], trusted: [keys.publicPem] });
        if (found.length === 0) unseen.push(`${key} as ${variant?.length ?? 'missing'}`);
      }
    }
    expect(unseen).toEqual([]);
  });

  it('is never given out by a reader either', async () => {
    const { repository, keys } = await location();
    const { manifest } = await writeSet(repository, keys, sample);
    const files = await allFiles(repository.store);
    for (const { name } of [...manifest.shards, ...manifest.index]) {
      const flipped = Buffer.from(files.get(fileKey(id, name))!);
      flipped[flipped.length >> 1]! ^= 1;
      for (const bytes of [flipped, undefined]) {
        const store = tampered(repository.store, fileKey(id, name), bytes);
        const reader = await openSet({ ...repository, store }, id, { identities: [keys.identity] });
        const reading = reader.read(
          () => true,
          () => {},
        );
        await expect(reading).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
      }
    }
  });
});

describe('a writer that is killed', () => {
  it('between any two puts, or while the answer of one is on its way, leaves no half a set', async () => {
    for (let n = 1; n <= 5; n++) {
      for (const stored of [false, true]) {
        const { repository, keys } = await location();
        let puts = 0;
        const dying = wrapStore(repository.store, {
          put: async (key, body, options) => {
            if (++puts < n) return repository.store.put(key, body, options);
            if (puts === n && stored) await repository.store.put(key, body, options);
            throw new HoldfastError('STORE_UNREACHABLE', 'killed');
          },
        });
        await expect(writeSet({ ...repository, store: dying }, keys, sample)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
        // The manifest is the fourth and last put; after it the set is there, and whole.
        const sets = await collect(listSets(repository));
        const committed = n === 4 && stored;
        expect(sets.map(set => set.id)).toEqual(committed ? [id] : []);
        const report = await verifyRepository(repository, { identities: [keys.identity] });
        expect(report.ok).toBe(true);
        expect(report.sets.map(set => set.state)).toEqual(committed ? ['verified'] : n === 1 && !stored ? [] : ['incomplete']);
        const next = '20261124T020000Z-daily-k3f9';
        await writeSet(repository, keys, { ...sample, id: next });
        expect((await verifySet(repository, next, { identities: [keys.identity] })).state).toBe('verified');
        if (n === 4 && stored) return;
      }
    }
    throw new Error('the last put was never reached');
  });
});
