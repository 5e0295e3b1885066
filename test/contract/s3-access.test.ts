import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RepositoryAccess } from '../../src/domain/repository-access.ts';
import { parseLocation } from '../../src/storage/location.ts';
import { createFixedAccess, createStsAccess } from '../../src/storage/s3-access.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { binary } from '../cluster/binaries.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { collect, keysOf, withCode } from './object-store-helpers.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const mine = 'volumes/agents/workspace/';
const neighbour = 'volumes/agents/workspace-2/';

describe('access to one prefix of MinIO', () => {
  let server: S3Server;
  let dir: string;

  beforeAll(async () => {
    server = await startMinio();
    await server.createBucket('backups');
    dir = await tempDir('access');
    const store = createS3Store({ endpoint: server.endpoint, bucket: 'backups', prefix: 'cluster', credentials: own() });
    for (const key of [`${mine}config`, `${mine}password.age`, `${neighbour}config`, 'holdfast.json'])
      await store.put(key, Buffer.from(key));
    await store.close();
  });
  afterAll(async () => {
    await server?.stop();
  });

  const own = () => ({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey });
  const location = () => parseLocation(`s3://backups/cluster?endpoint=${server.endpoint}`);
  const issue = (write: boolean, key = mine, remove?: readonly string[]) =>
    createStsAccess({ location: location(), credentials: own() }).issue(key, {
      ...{ write, seconds: 900, signal },
      ...(remove !== undefined && { remove }),
    });
  const storeOf = ({ accessKeyId, secretAccessKey, sessionToken }: RepositoryAccess) =>
    createS3Store({
      ...{ endpoint: server.endpoint, bucket: 'backups', prefix: 'cluster' },
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    });

  it('removes locks where it is to be backed up to, and nothing else: no data, no key, not the configuration', async () => {
    const store = storeOf(await issue(true));
    const forbidden = withCode('STORE_FORBIDDEN');
    for (const key of ['data/00/pack', 'index/one', 'snapshots/one', 'keys/one', 'locks/one'])
      await store.put(`${mine}${key}`, Buffer.from('x'));
    await store.delete(`${mine}locks/one`);
    for (const key of ['data/00/pack', 'index/one', 'snapshots/one', 'keys/one', 'config']) {
      await expect(store.delete(`${mine}${key}`), key).rejects.toEqual(forbidden);
    }
    const unfinished = storeOf(await issue(true, mine, ['locks/', 'keys/']));
    await unfinished.delete(`${mine}keys/one`);
    await expect(unfinished.delete(`${mine}data/00/pack`)).rejects.toEqual(forbidden);
    const upkeep = storeOf(await issue(true, mine, ['']));
    for (const key of ['data/00/pack', 'index/one', 'snapshots/one']) await upkeep.delete(`${mine}${key}`);
    expect(await keysOf(upkeep, mine)).toEqual([`${mine}config`, `${mine}password.age`]);
    await expect(upkeep.delete(`${mine}password.age`)).rejects.toEqual(forbidden);
    await Promise.all([store, unfinished, upkeep].map(one => one.close()));
  });

  it('reads and writes there, and neither reads, writes, deletes nor lists anywhere else', async () => {
    const store = storeOf(await issue(true, mine, ['']));
    const forbidden = withCode('STORE_FORBIDDEN');
    await store.put(`${mine}data/00/x`, Buffer.from('x'));
    expect(`${await collect(store.get(`${mine}data/00/x`))}`).toBe('x');
    await store.delete(`${mine}data/00/x`);
    expect(await keysOf(store, mine)).toEqual([`${mine}config`, `${mine}password.age`]);
    for (const key of [`${neighbour}config`, 'holdfast.json']) {
      await expect(collect(store.get(key))).rejects.toEqual(forbidden);
      await expect(store.delete(key)).rejects.toEqual(forbidden);
    }
    await expect(store.put(`${neighbour}more`, Buffer.from('x'))).rejects.toEqual(forbidden);
    await expect(keysOf(store, neighbour)).rejects.toEqual(forbidden);
    await expect(keysOf(store, '')).rejects.toEqual(forbidden);
    await store.close();
  });

  it('leaves the sealed password as it is', async () => {
    const store = storeOf(await issue(true));
    await expect(store.delete(`${mine}password.age`)).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    expect(await store.head(`${mine}password.age`)).toBeDefined();
    await store.close();
  });

  it('only reads where it is to be restored from', async () => {
    const store = storeOf(await issue(false));
    expect(`${await collect(store.get(`${mine}config`))}`).toBe(`${mine}config`);
    await expect(store.put(`${mine}more`, Buffer.from('x'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await store.close();
  });

  it('is enough for restic to make a repository, to back up and to check it, and without writing to restore', async () => {
    const key = 'volumes/agents/restic/';
    const restic = await binary('restic');
    const source = join(dir, 'source');
    await mkdir(source);
    await writeFile(join(source, 'file'), 'content');
    const call = async (access: RepositoryAccess, ...args: string[]) => {
      const { url, options, accessKeyId, secretAccessKey, sessionToken = '' } = access;
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken };
      const all = ['--no-cache', '--repo', url, ...options.flatMap(option => ['-o', option]), ...args];
      return await run(restic, all, { env: { ...env, RESTIC_PASSWORD: 'secret' } });
    };
    const access = await issue(true, key);
    expect(access.url).toBe(`s3:${server.endpoint}/backups/cluster/volumes/agents/restic`);
    await call(access, 'init');
    await call(access, 'backup', source);
    await call(access, 'check');
    await call(await issue(false, key), 'restore', 'latest', '--no-lock', '--target', join(dir, 'target'));
  });

  it('is refused for a folder, and for AWS without a role, before anything is asked', async () => {
    const options = { write: true, seconds: 900, signal };
    await expect(createStsAccess({ location: parseLocation('/backups') }).issue(mine, options)).rejects.toEqual(withCode('CONFIG_INVALID'));
    await expect(createStsAccess({ location: parseLocation('s3://bucket') }).issue(mine, options)).rejects.toEqual(
      withCode('CONFIG_INVALID'),
    );
  });

  it('says what was refused when the credentials are wrong', async () => {
    const wrong = createStsAccess({ location: location(), credentials: { accessKeyId: 'nobody', secretAccessKey: 'x'.repeat(20) } });
    const refused = { code: 'STORE_FORBIDDEN', hint: expect.stringContaining('volumes.access.mode: secret') };
    await expect(wrong.issue(mine, { write: true, seconds: 900, signal })).rejects.toEqual(expect.objectContaining(refused));
  });

  it('comes from a Secret where STS is not to be had, with another address for pods', async () => {
    const read = async () => ({ accessKeyId: 'a', secretAccessKey: 'b' });
    const fixed = createFixedAccess({ location: location(), endpoint: 'http://minio.storage:9000', ca: 'PEM', read });
    expect(await fixed.issue(mine, { write: true, seconds: 900, signal })).toEqual({
      ...{ accessKeyId: 'a', secretAccessKey: 'b', ca: 'PEM' },
      url: 's3:http://minio.storage:9000/backups/cluster/volumes/agents/workspace',
      options: ['s3.region=us-east-1', 's3.bucket-lookup=path'],
    });
  });
});
