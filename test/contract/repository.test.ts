import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { indexKey } from '../../src/domain/backup-set.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { listSets } from '../../src/repository/catalog.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { resolveSet } from '../../src/repository/resolve-set.ts';
import { openSet } from '../../src/repository/set-reader.ts';
import { verifyRepository } from '../../src/repository/verify.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { type S3Server, startMinio, startVersitygw } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { createFaultyStore, type FaultyStore, unmetFaults } from '../helpers/faulty-store.ts';
import {
  collect,
  configMap,
  effectiveObjects,
  initOn,
  type Keys,
  newKeys,
  type SetOptions,
  sample,
  secret,
  writeSet,
} from './repository-fixture.ts';

interface Locations {
  /** A new, empty location each time. */
  next(): ObjectStore;
  stop(): Promise<void>;
  /** What has not happened that was to happen to the stores, once all tests were run. */
  unmet?(): readonly string[];
}

async function onFiles(wrap: (store: ObjectStore) => ObjectStore = store => store): Promise<Locations> {
  const dir = await tempDir('repositories');
  let count = 0;
  return { next: () => wrap(createFileStore(join(dir, String(++count)))), stop: () => rm(dir, { recursive: true, force: true }) };
}

async function onServer(start: () => Promise<S3Server>): Promise<Locations> {
  const server = await start();
  await server.createBucket('repositories', {});
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
  let count = 0;
  return {
    next: () => createS3Store({ endpoint: server.endpoint, bucket: 'repositories', prefix: `platform/${++count}`, credentials }),
    stop: () => server.stop(),
  };
}

const instantly: Runtime = { now: () => new Date(), random: bytes => new Uint8Array(randomBytes(bytes)), sleep: async () => {} };

async function onFilesBehindBadLine(): Promise<Locations> {
  const faults = { refuse: 0.2, loseAnswer: 0.2, tear: 0.1, cut: 0.1, repeat: 0.2, delay: 0.2 };
  const lines: FaultyStore[] = [];
  const files = await onFiles(store => {
    const line = createFaultyStore(store, { seed: lines.length + 1, ...faults });
    lines.push(line);
    return withRetry(line, { attempts: 60, totalMs: 120_000, firstMs: 1, maxMs: 1 }, instantly);
  });
  return { ...files, unmet: () => unmetFaults(faults, lines) };
}

describe.each<[string, () => Promise<Locations>]>([
  ['files', () => onFiles()],
  ['files behind a bad line', onFilesBehindBadLine],
  ['MinIO', () => onServer(startMinio)],
  ['versitygw', () => onServer(startVersitygw)],
])('a repository on %s', (_, start) => {
  let locations: Locations;
  let keys: Keys;
  let store: ObjectStore;
  beforeAll(async () => {
    locations = await start();
    keys = await newKeys();
  });
  // biome-ignore lint/correctness/noEmptyPattern: the runner takes nothing else for what comes before the suite
  afterAll(async ({}, suite) => {
    await locations?.stop();
    if (suite.tasks.every(task => task.mode === 'run')) expect(locations?.unmet?.() ?? []).toEqual([]);
  });
  beforeEach(() => {
    store = locations.next();
    return () => store.close();
  });

  async function contents(repository: Repository, id: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const reader = await openSet(repository, id, { identities: [keys.identity], trusted: [keys.publicPem] });
    await reader.read(
      () => true,
      (entry, json) => void found.set(indexKey(entry), json),
    );
    return found;
  }

  const expected = (options: SetOptions) => new Map(effectiveObjects(options).map(object => [indexKey(object.ref), object.json]));

  it('is not there before it is made, and is made by one of two that try at once', async () => {
    await expect(openRepository(store)).rejects.toMatchObject({ code: 'REPO_NOT_FOUND' });
    const tries = await Promise.allSettled([initOn(store, keys, false), initOn(store, keys, false)]);
    const made = tries.flatMap(result => (result.status === 'fulfilled' ? [result.value.info] : []));
    const refused = tries.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused).toEqual([expect.objectContaining({ code: 'REPO_EXISTS' })]);
    expect((await openRepository(store)).info).toEqual(made[0]);
  });

  it('holds sets that several writers make at once, each whole', async () => {
    const repository = await initOn(store, keys, false);
    const sets: SetOptions[] = Array.from({ length: 3 }, (_, i) => ({
      id: `20261123T02000${i}Z-daily-k3f9`,
      objects: [...sample.objects, ...Array.from({ length: 20 }, (_, j) => configMap(`cm-${i}-${j}`)), secret(`s-${i}`, `${i}`)],
      maxTarBytes: 10_000,
      sealIndex: i === 1,
    }));
    await Promise.all(sets.map(options => writeSet(repository, keys, options)));
    for (const options of sets) expect(await contents(repository, options.id!)).toEqual(expected(options));
    const report = await verifyRepository(repository, { identities: [keys.identity], trusted: [keys.publicPem] });
    expect(report.sets.map(set => [set.id, set.state, set.findings])).toEqual(sets.map(({ id }) => [id, 'verified', []]));
  });

  it('lists its sets oldest first, without the half-written, and finds them by time', async () => {
    const repository = await initOn(store, keys, false);
    for (const day of [20, 18, 19]) await writeSet(repository, keys, { ...sample, id: `202611${day}T020000Z-daily-k3f9` });
    await writeSet(repository, keys, { ...sample, id: '20261121T020000Z-daily-k3f9', halfWritten: true });
    expect((await collect(listSets(repository))).map(set => set.id.slice(6, 8))).toEqual(['18', '19', '20']);
    const now = new Date('2026-11-22T00:00:00Z');
    expect(await resolveSet(repository, 'latest', { now })).toBe('20261120T020000Z-daily-k3f9');
    expect(await resolveSet(repository, '2026-11-19', { now })).toBe('20261119T020000Z-daily-k3f9');
    await expect(resolveSet(repository, '20261121', { now })).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  });

  it('never has a set written over another', async () => {
    const repository = await initOn(store, keys, false);
    await writeSet(repository, keys, sample);
    await expect(writeSet(repository, keys, { objects: [configMap('other')] })).rejects.toMatchObject({ code: 'STORE_EXISTS' });
    expect(await contents(repository, '20261123T020000Z-daily-k3f9')).toEqual(expected(sample));
  });
});
