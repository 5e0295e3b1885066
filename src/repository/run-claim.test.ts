import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import { createFaultyStore } from '../../test/helpers/faulty-store.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fire } from '../domain/policy.ts';
import { listSets } from './catalog.ts';
import { fileKey, manifestKey } from './layout.ts';
import { encodeManifest } from './manifest.ts';
import { readBytes } from './read-bytes.ts';
import { readManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { claimKey, claimKeys, clusterClaimKey, commitClaimed, finishClaims } from './run-claim.ts';

const daily: Fire = { policy: 'platform', tier: 'daily', at: '2026-11-23T02:00:00Z' };
const weekly: Fire = { policy: 'platform', tier: 'weekly', at: '2026-11-23T01:00:00Z' };
const later: Fire = { policy: 'platform', tier: 'daily', at: '2026-11-24T02:00:00.000Z' };
const longAgo = new Date(0);

let location: TestRepository;

beforeEach(async () => {
  location = await makeRepository();
});
afterEach(() => location.remove());

interface Taken {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
}

/** All that a backup writes before its commit. */
async function taken(suffix: string, fires: readonly Fire[]): Promise<Taken> {
  const id = `20261123T020000Z-daily-${suffix}`;
  const made = await writeSet(location.repository, location.keys, { id, objects: [configMap('a')], halfWritten: true });
  const manifest = { ...made.manifest, fires };
  return { manifest, bytes: encodeManifest(manifest, location.keys.privatePem) };
}

const keys = () => ({ signingKey: location.keys.privatePem, trusted: [location.keys.publicPem] });

function commit({ manifest, bytes }: Taken, repository: Repository = location.repository): Promise<Manifest> {
  return commitClaimed(repository, manifest, bytes, keys());
}

function finish(repository: Repository = location.repository, since = longAgo) {
  return finishClaims(repository, { ...keys(), since });
}

/** Ids of the visible sets by the fire that they stand for. */
async function standing(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const set of await collect(listSets(location.repository, keys()))) {
    if (set.phase === 'Unreadable') throw new Error(`${set.id}: ${set.error.message}`);
    for (const fire of set.fires) found[claimKey(fire)] = [...(found[claimKey(fire)] ?? []), set.id];
  }
  return found;
}

/** The store dies at the put of a key: nothing is written from then on. */
function dyingAt(key: string): Repository {
  let dead = false;
  const { store, info } = location.repository;
  const put: typeof store.put = async (name, ...rest) => {
    dead ||= name === key;
    if (dead) throw new HoldfastError('STORE_UNREACHABLE', 'killed');
    return store.put(name, ...rest);
  };
  return { info, store: wrapStore(store, { put }) };
}

describe('the key of a claim', () => {
  it('is made of policy, tier and time', () => {
    expect(claimKey(later)).toBe('schedule/platform/daily/20261124T020000Z.json');
  });

  it('names a cluster by its uid, and one without by a digest of its address', () => {
    expect(clusterClaimKey(later, { uid: '5c1f-01', server: 'https://a' })).toBe('schedule/platform/daily/20261124T020000Z-5c1f-01.json');
    expect(clusterClaimKey(later, { uid: '', server: 'https://a' })).toMatch(
      /^schedule\/platform\/daily\/20261124T020000Z-[0-9a-f]{32}\.json$/,
    );
  });

  it.each([
    { ...daily, policy: '../backups' },
    { ...daily, tier: '' },
    { ...daily, tier: '.holdfast' },
    { ...daily, at: '2026-11-23T02:00:00.5Z' },
    { ...daily, at: 'tomorrow' },
  ])('refuses $policy/$tier at $at', fire => {
    expect(() => claimKey(fire)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('of all fires of a set come earliest first, each once, and a set on demand has none', () => {
    const cluster = { uid: 'a1', version: 'v1.37.2', server: 'https://cluster' };
    const keysOf = (fire: Fire) => [claimKey(fire), clusterClaimKey(fire, cluster)];
    expect(claimKeys({ fires: [later, daily, weekly, { ...daily }], cluster })).toEqual([weekly, daily, later].flatMap(keysOf));
    expect(claimKeys({ cluster })).toEqual([]);
  });
});

describe('a set taken for scheduled runs', () => {
  it('is visible once its runs are claimed, under the very bytes that lie at the claims', async () => {
    const set = await taken('aaaa', [daily, weekly]);
    expect(await commit(set)).toEqual(set.manifest);
    for (const key of [claimKey(daily), claimKey(weekly), manifestKey(set.manifest.id)]) {
      expect(await readBytes(location.repository.store, key, 1e6, {})).toEqual(Buffer.from(set.bytes));
    }
  });

  it('loses to the one that claimed them before, and leaves nothing visible', async () => {
    const [first, second] = [await taken('aaaa', [daily]), await taken('bbbb', [daily])];
    await commit(first);
    await expect(commit(second)).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED', message: expect.stringContaining(first.manifest.id) });
    expect(await standing()).toEqual({ [claimKey(daily)]: [first.manifest.id] });
  });

  it('may be committed again after its answer was lost', async () => {
    const set = await taken('aaaa', [daily]);
    await commit(set);
    expect(await commit(set)).toEqual(set.manifest);
  });

  it('stands for what others have left, and says so under a signature of its own', async () => {
    const [first, second] = [await taken('aaaa', [daily]), await taken('bbbb', [weekly, daily])];
    await commit(first);
    expect((await commit(second)).fires).toEqual([weekly]);
    expect((await readManifest(location.repository, second.manifest.id, keys()))?.manifest).toEqual({
      ...second.manifest,
      fires: [weekly],
    });
    expect(await standing()).toEqual({ [claimKey(daily)]: [first.manifest.id], [claimKey(weekly)]: [second.manifest.id] });
  });

  it('that died between claim and manifest is brought out by whoever loses to it', async () => {
    const [first, second] = [await taken('aaaa', [daily]), await taken('bbbb', [daily])];
    await expect(commit(first, dyingAt(manifestKey(first.manifest.id)))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(commit(second)).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED' });
    expect(await standing()).toEqual({ [claimKey(daily)]: [first.manifest.id] });
  });

  it('gets all of its runs though a second one of the same runs overtakes it after the first claim', async () => {
    const fires = [weekly, daily];
    const [first, second] = [await taken('aaaa', fires), await taken('bbbb', fires)];
    await expect(commit(first, dyingAt(claimKey(daily)))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(commit(second)).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED' });
    expect(await standing()).toEqual({ [claimKey(daily)]: [first.manifest.id], [claimKey(weekly)]: [first.manifest.id] });
  });

  it.each([
    ['is no manifest', async () => Buffer.from('{}\n{}\n')],
    ['is the manifest of another run', async () => (await taken('cccc', [later])).bytes],
    ['was signed by a stranger', async () => strangerBytes()],
  ])('is not called superseded where the claim %s', async (_, bytes) => {
    await location.repository.store.put(claimKey(daily), await bytes());
    const [set, both] = [await taken('aaaa', [daily]), await taken('bbbb', [daily, weekly])];
    await expect(commit(set)).rejects.toMatchObject({ code: expect.stringMatching(/^(BACKUP_CORRUPT|SIGNATURE_INVALID)$/) });
    expect((await commit(both)).fires).toEqual([weekly]);
    expect(await standing()).toEqual({ [claimKey(weekly)]: [both.manifest.id] });
  });

  async function strangerBytes(): Promise<Uint8Array> {
    const stranger = await makeRepository();
    const { manifest } = await taken('dddd', [daily]);
    await stranger.remove();
    return encodeManifest(manifest, stranger.keys.privatePem);
  }
});

describe('claims without a manifest', () => {
  it('are finished when leading starts, with the bytes that were claimed', async () => {
    const set = await taken('aaaa', [weekly, daily]);
    for (const key of [claimKey(daily), manifestKey(set.manifest.id)]) {
      await expect(commit(set, dyingAt(key))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    }
    expect(await finish()).toEqual({ finished: [set.manifest.id], broken: [] });
    expect(await readBytes(location.repository.store, manifestKey(set.manifest.id), 1e6, {})).toEqual(Buffer.from(set.bytes));
    expect(await finish()).toEqual({ finished: [], broken: [] });
  });

  it('stand for what they have, where another set has the rest', async () => {
    const [first, second] = [await taken('aaaa', [daily]), await taken('bbbb', [weekly, daily])];
    await commit(first);
    await expect(commit(second, dyingAt(manifestKey(second.manifest.id)))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect((await finish()).finished).toEqual([second.manifest.id]);
    expect(await standing()).toEqual({ [claimKey(daily)]: [first.manifest.id], [claimKey(weekly)]: [second.manifest.id] });
  });

  it('written before a given time are left alone', async () => {
    const set = await taken('aaaa', [daily]);
    await expect(commit(set, dyingAt(manifestKey(set.manifest.id)))).rejects.toThrow();
    expect((await finish(location.repository, new Date(Date.now() + 60_000))).finished).toEqual([]);
    expect(await standing()).toEqual({});
  });

  it('of a set whose files are gone are named and not finished, and keep nobody from the others', async () => {
    const [gone, whole] = [await taken('aaaa', [daily]), await taken('bbbb', [later])];
    for (const set of [gone, whole]) await expect(commit(set, dyingAt(manifestKey(set.manifest.id)))).rejects.toThrow();
    const file = gone.manifest.shards[0]!.name;
    await location.repository.store.delete(fileKey(gone.manifest.id, file));
    const { finished, broken } = await finish();
    expect(finished).toEqual([whole.manifest.id]);
    expect(broken).toEqual([
      { key: claimKey(daily), code: 'BACKUP_CORRUPT', message: expect.stringContaining(`${file} of ${gone.manifest.id} is missing`) },
    ]);
    expect(await standing()).toEqual({ [claimKey(later)]: [whole.manifest.id] });
  });

  it('deleted before the manifest, as retention does, bring nothing back', async () => {
    const set = await taken('aaaa', [weekly, daily]);
    const manifest = await commit(set);
    for (const key of claimKeys(manifest)) await location.repository.store.delete(key);
    await location.repository.store.delete(manifestKey(manifest.id));
    expect(await finish()).toEqual({ finished: [], broken: [] });
    expect(await standing()).toEqual({});
  });
});

describe('whoever commits what, and dies wherever', () => {
  const pool = [weekly, daily, later, { ...weekly, policy: 'other' }];
  const union = fc.subarray([0, 1, 2, 3], { minLength: 1 });

  it('every claimed run has exactly one set, and runs of the same fires one set in all', async () => {
    let suffix = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(union, { minLength: 2, maxLength: 4 }), fc.integer(), fc.boolean(), async (unions, seed, faulty) => {
        const round = await makeRepository();
        const before = location;
        location = round;
        try {
          const sets: Taken[] = [];
          for (const fires of unions) {
            suffix += 1;
            sets.push(
              await taken(
                suffix.toString(36).padStart(4, '0'),
                fires.map(i => pool[i]!),
              ),
            );
          }
          await Promise.allSettled(
            sets.map((set, i) => {
              const store = createFaultyStore(round.repository.store, {
                seed: seed + i,
                delay: 0.8,
                refuse: faulty ? 0.15 : 0,
                loseAnswer: faulty ? 0.15 : 0,
              });
              return commit(set, { store, info: round.repository.info });
            }),
          );
          expect((await finish()).broken).toEqual([]);
          const found = await standing();
          const claimed = (await collect(round.repository.store.list('schedule/'))).map(({ key }) => key);
          expect(Object.keys(found).sort()).toEqual(claimed.sort());
          expect(Object.values(found).filter(ids => ids.length !== 1)).toEqual([]);
          if (!faulty) {
            const wanted = new Set(unions.flat().map(i => claimKey(pool[i]!)));
            expect(new Set(claimed)).toEqual(wanted);
          }
          if (unions.every(fires => fires.join() === unions[0]!.join()))
            expect(new Set(Object.values(found).flat()).size).toBeLessThanOrEqual(1);
        } finally {
          location = before;
          await round.remove();
        }
      }),
      {
        numRuns: 40,
        examples: [
          [
            [
              [0, 1, 2, 3],
              [0, 1, 2, 3],
              [0, 1, 2, 3],
            ],
            7,
            false,
          ],
          [
            [
              [0, 1],
              [0, 1],
            ],
            3,
            true,
          ],
        ],
      },
    );
  }, 60_000);
});
