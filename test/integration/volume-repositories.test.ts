import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { generateIdentity } from '../../src/crypto/age.ts';
import { volumePasswordKey } from '../../src/repository/layout.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { secrets } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { createVolumeRepositories } from '../../src/volumes/repositories.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never } from '../helpers/volumes.ts';

const claim = { namespace: 'agents', claim: 'workspace' };

describe('the repositories of claims', () => {
  const cluster = withCluster({ controllers: false });
  let api: ClusterApi;
  let objects: Objects;
  let store: ObjectStore;
  let keys: Awaited<ReturnType<typeof generateIdentity>>;

  beforeAll(async () => {
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    await makeNamespace(objects, 'holdfast');
    keys = await generateIdentity();
  });
  afterAll(() => api?.close());
  beforeEach(async () => {
    await forgetSecrets();
    store = createFileStore(await tempDir('volumes'));
  });

  const repositories = (recipients: readonly string[] = [keys.recipient], place = { store, repositoryId: 'a'.repeat(32) }) =>
    createVolumeRepositories({ ...place, objects, recipients, namespace: 'holdfast', runtime: testRuntime });
  const opened = (key: string, identities: readonly string[] = [keys.identity]) => repositories().open(key, { identities, signal: never });
  const forgetSecrets = async () => {
    for (const secret of await objects.list(secrets, { namespace: 'holdfast' }, never)) {
      await objects.remove(secrets, 'holdfast', nameOf(secret), never);
    }
  };

  it('have a password of 32 random bytes, the same from then on', async () => {
    const first = await repositories().forBackup(claim, never);
    expect(first).toEqual({ key: 'volumes/agents/workspace/', password: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await repositories().forBackup(claim, never)).toEqual(first);
  });

  it('are opened with the identity alone once the cluster is gone', async () => {
    const made = await repositories().forBackup(claim, never);
    await forgetSecrets();
    expect(await opened(made.key)).toEqual(made);
    await expect(opened(made.key, [])).rejects.toMatchObject({ code: 'IDENTITY_MISSING' });
    const { identity } = await generateIdentity();
    await expect(opened(made.key, [identity])).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
    await expect(opened('volumes/agents/other/')).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
  });

  it('of two locations have passwords of their own, each opened with what its location has alone', async () => {
    const others = await generateIdentity();
    const other = { store: createFileStore(await tempDir('other')), repositoryId: 'b'.repeat(32) };
    const first = await repositories().forBackup(claim, never);
    const second = await repositories([others.recipient], other).forBackup(claim, never);
    expect(second).toEqual({ key: first.key, password: expect.not.stringMatching(first.password) });
    // Each goes on with its own.
    expect(await repositories().forBackup(claim, never)).toEqual(first);
    expect(await repositories([others.recipient], other).forBackup(claim, never)).toEqual(second);
    await forgetSecrets();
    expect(await opened(first.key)).toEqual(first);
    const open = repositories([], other).open;
    expect(await open(second.key, { identities: [others.identity], signal: never })).toEqual(second);
    await expect(open(second.key, { identities: [keys.identity], signal: never })).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
  });

  it('have a sealed password that was lost put again, to those who shall open it now, and one that is there left alone', async () => {
    const made = await repositories().forBackup(claim, never);
    const name = volumePasswordKey(made.key, true);
    const read = async () => Buffer.concat(await Array.fromAsync(store.get(name)));
    const before = await read();
    const now = await generateIdentity();
    expect(await repositories([now.recipient]).forBackup(claim, never)).toEqual(made);
    expect(await read()).toEqual(before);
    await store.delete(name);
    const all = await Promise.all(Array.from({ length: 4 }, () => repositories([now.recipient]).forBackup(claim, never)));
    expect(all).toEqual(all.map(() => made));
    await forgetSecrets();
    expect(await opened(made.key, [now.identity])).toEqual(made);
    await expect(opened(made.key)).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
  });

  it('are begun anew beside one whose password this cluster does not have, and the old one is still opened', async () => {
    const old = await repositories().forBackup(claim, never);
    await forgetSecrets();
    const next = await repositories().forBackup(claim, never);
    expect(next.key).toMatch(/^volumes\/agents\/workspace~[0-9a-f]{4}\/$/);
    expect(await opened(old.key)).toEqual(old);
    expect(await opened(next.key)).toEqual(next);
  });

  it('are the same for replicas that make them at the same moment, and its password is the sealed one', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => repositories().forBackup(claim, never)));
    expect(new Set(made.map(({ key, password }) => `${key} ${password}`)).size).toBe(1);
    await forgetSecrets();
    expect(await opened(made[0]?.key ?? '')).toEqual(made[0]);
  });

  it('of a location in the clear have it in the clear', async () => {
    const made = await repositories([]).forBackup(claim, never);
    await forgetSecrets();
    expect(await opened(made.key, [])).toEqual(made);
    expect(await store.head(volumePasswordKey(made.key, true))).toBeUndefined();
  });

  it('say that their Secret was altered', async () => {
    await repositories().forBackup(claim, never);
    const [secret] = await objects.list(secrets, { namespace: 'holdfast' }, never);
    await objects.merge(secrets, 'holdfast', nameOf(secret), { data: { password: null } }, never);
    await expect(repositories().forBackup(claim, never)).rejects.toMatchObject({ code: 'VOLUME_PASSWORD_WRONG' });
  });
});
