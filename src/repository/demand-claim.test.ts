import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, configMap, makeRepository, type TestRepository, wrapStore, writeSet } from '../../test/contract/repository-fixture.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { listSets } from './catalog.ts';
import { commitDemanded, demandKey, giveUpDemand } from './demand-claim.ts';
import { fileKey, manifestKey } from './layout.ts';
import { encodeManifest } from './manifest.ts';
import type { Repository } from './repository.ts';

const operation = '20261123T015959Z-backup-bbbb';
const id = '20261123T020000Z-manual-aaaa';

let location: TestRepository;
let manifest: Manifest;
let bytes: Uint8Array;
beforeEach(async () => {
  location = await makeRepository();
  ({ manifest } = await writeSet(location.repository, location.keys, { id, objects: [configMap('a')], halfWritten: true }));
  bytes = encodeManifest(manifest, location.keys.privatePem);
});
afterEach(() => location.remove());

const keys = () => ({ signingKey: location.keys.privatePem, trusted: [location.keys.publicPem] });
const commit = (repository: Repository = location.repository) => commitDemanded(repository, operation, manifest, bytes, keys());
const giveUp = () => giveUpDemand(location.repository, operation, keys());
const visible = async () => (await collect(listSets(location.repository, keys()))).map(set => set.id);

/** A writer that is stopped in the middle of the put of a key, until it goes on. */
function stoppedAt(key: string) {
  const [reached, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { store } = location.repository;
  const put: typeof store.put = async (name, ...rest) => {
    if (name === key) {
      reached.resolve();
      await goesOn.promise;
    }
    return store.put(name, ...rest);
  };
  return {
    repository: { ...location.repository, store: wrapStore(store, { put }) },
    reached: reached.promise,
    goOn: () => goesOn.resolve(),
  };
}

describe('a backup on demand', () => {
  it('is committed once, however often that is tried', async () => {
    expect(await commit()).toEqual(manifest);
    expect(await commit()).toEqual(manifest);
    expect(await visible()).toEqual([id]);
  });

  it('that was given up before is not committed, however late its writer goes on', async () => {
    const writer = stoppedAt(demandKey(operation));
    const committed = commit(writer.repository);
    await writer.reached;
    expect(await giveUp()).toBeUndefined();
    writer.goOn();
    await expect(committed).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED' });
    await expect(commit()).rejects.toMatchObject({ code: 'BACKUP_SUPERSEDED' });
    expect(await giveUp()).toBeUndefined();
    expect(await visible()).toEqual([]);
  });

  it('that was committed before is finished by whoever gives it up, and its writer changes nothing', async () => {
    const writer = stoppedAt(manifestKey(id));
    const committed = commit(writer.repository);
    await writer.reached;
    expect(await visible()).toEqual([]);
    expect(await giveUp()).toEqual(manifest);
    expect(await visible()).toEqual([id]);
    writer.goOn();
    expect(await committed).toEqual(manifest);
    expect(await giveUp()).toEqual(manifest);
    expect(await visible()).toEqual([id]);
  });

  it('of which a file is missing, or whose commit cannot be believed, becomes no set', async () => {
    const { store } = location.repository;
    await store.put(demandKey(operation), bytes);
    const [shard] = manifest.shards;
    await store.delete(fileKey(id, shard!.name));
    expect(await giveUp()).toBeUndefined();
    await store.delete(demandKey(operation));
    await store.put(demandKey(operation), Buffer.from('{}\n{}\n'));
    expect(await giveUp()).toBeUndefined();
    expect(await visible()).toEqual([]);
  });
});
