import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, configMap, makeRepository, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import type { Manifest } from '../domain/backup-set.ts';
import type { ClusterIdentity } from '../domain/cluster-identity.ts';
import type { Fire } from '../domain/policy.ts';
import { listSets } from './catalog.ts';
import { deleteSet } from './delete-set.ts';
import { encodeManifest } from './manifest.ts';
import { claimKey, claimsPrefix, clusterClaimKey, commitClaimed, finishClaims } from './run-claim.ts';

const daily: Fire = { policy: 'platform', tier: 'daily', at: '2026-11-23T02:00:00Z' };
const weekly: Fire = { policy: 'platform', tier: 'weekly', at: '2026-11-23T02:00:00Z' };
const one: ClusterIdentity = { uid: '5c1f0f5e-0000-4000-8000-000000000001', server: 'https://10.96.0.1' };
const other: ClusterIdentity = { uid: '5c1f0f5e-0000-4000-8000-000000000002', server: 'https://10.96.0.1' };
const nameless: ClusterIdentity = { uid: '', server: 'https://elsewhere' };

describe('clusters with the same policies in one repository', () => {
  let location: TestRepository;
  beforeEach(async () => {
    location = await makeRepository();
  });
  afterEach(() => location.remove());

  const keys = () => ({ signingKey: location.keys.privatePem, trusted: [location.keys.publicPem] });

  async function taken(suffix: string, cluster: ClusterIdentity, fires: readonly Fire[] = [daily, weekly]) {
    const id = `20261123T020000Z-daily-${suffix}`;
    const made = await writeSet(location.repository, location.keys, { id, objects: [configMap('a')], halfWritten: true });
    const manifest: Manifest = { ...made.manifest, fires, cluster: { ...cluster, version: 'v1.37.2' } };
    return { manifest, bytes: encodeManifest(manifest, location.keys.privatePem) };
  }
  const commit = async (suffix: string, cluster: ClusterIdentity, fires?: readonly Fire[]) => {
    const { manifest, bytes } = await taken(suffix, cluster, fires);
    return commitClaimed(location.repository, manifest, bytes, keys());
  };
  const visible = async () => (await collect(listSets(location.repository, keys()))).map(({ id }) => id.slice(-4));
  const claims = async () => (await collect(location.repository.store.list(claimsPrefix))).map(({ key }) => key);

  it('have a set each for the same run, and no second one', async () => {
    expect((await commit('aaaa', one)).fires).toEqual([daily, weekly]);
    expect((await commit('bbbb', other)).fires).toEqual([daily, weekly]);
    expect((await commit('cccc', nameless)).fires).toEqual([daily, weekly]);
    for (const [suffix, cluster] of [['dddd', one] as const, ['eeee', other] as const, ['ffff', nameless] as const]) {
      await expect(commit(suffix, cluster)).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED' });
    }
    expect(await visible()).toEqual(['aaaa', 'bbbb', 'cccc']);
  });

  it('share a run with a set that has only some of it in their own cluster alone', async () => {
    await commit('aaaa', one);
    await commit('bbbb', other, [daily]);
    expect((await commit('cccc', other)).fires).toEqual([weekly]);
  });

  it('have their sets made visible when their writers died', async () => {
    await commit('aaaa', one);
    const { manifest, bytes } = await taken('bbbb', other);
    for (const fire of [daily, weekly]) await location.repository.store.put(clusterClaimKey(fire, other), bytes);
    expect(await finishClaims(location.repository, { ...keys(), since: new Date(0) })).toEqual({ finished: [manifest.id], broken: [] });
    expect(await visible()).toEqual(['aaaa', 'bbbb']);
  });

  it('lose their own claims, and no others, when a set is deleted', async () => {
    const [first, second] = [await commit('aaaa', one), await commit('bbbb', other)];
    const remove = (id: string) =>
      deleteSet(location.repository, id, ['it had its time'], {
        ...{ ...keys(), actor: { name: 'retention', via: 'service' }, now: new Date('2026-12-24T00:00:00Z') },
        record: async () => {},
      });
    await remove(first.id);
    expect(await claims()).toEqual([daily, weekly].map(fire => clusterClaimKey(fire, other)).sort());
    await remove(second.id);
    expect(await claims()).toEqual([]);
  });

  it('write the key that older versions know as long as nobody has it', async () => {
    await commit('aaaa', other);
    expect(await claims()).toEqual([daily, weekly].map(claimKey).sort());
  });
});
