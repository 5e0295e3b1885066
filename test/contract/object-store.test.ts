import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runtime } from '../../src/domain/runtime.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import { withLimit } from '../../src/storage/limit.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { type S3Server, startMinio, startVersitygw } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { createFaultyStore, type Faults, type FaultyStore, unmetFaults } from '../helpers/faulty-store.ts';
import { describeObjectStore, type StoreFixture } from './object-store.ts';

/** Pauses take no time: what is tested is that there is another try, not how long it waits. */
const runtime: Runtime = { now: () => new Date(), random: bytes => randomBytes(bytes), sleep: async () => {} };
const patient = { attempts: 60, totalMs: 120_000, firstMs: 1, maxMs: 1 };

async function onFiles(wrap: (store: ObjectStore, opened: number) => ObjectStore = store => store): Promise<StoreFixture> {
  const dir = await tempDir('store');
  let opened = 0;
  return {
    open: async () => {
      opened += 1;
      return wrap(createFileStore(join(dir, String(opened)), { readBytes: 64 * 1024 }), opened);
    },
    stop: () => rm(dir, { recursive: true }),
  };
}

async function onServer(
  start: () => Promise<S3Server>,
  bucket: { versioning?: boolean } = {},
  wrap: (store: ObjectStore, opened: number) => ObjectStore = store => store,
): Promise<StoreFixture> {
  const server = await start();
  await server.createBucket('contract', bucket);
  let opened = 0;
  return {
    open: async () => {
      opened += 1;
      const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
      return wrap(createS3Store({ endpoint: server.endpoint, bucket: 'contract', prefix: `test ${opened}/ä`, credentials }), opened);
    },
    stop: () => server.stop(),
  };
}

/** The same stores behind a line that does all of this, each by a seed of its own. */
async function behindBadLine(
  faults: Omit<Faults, 'seed' | 'rival'>,
  start: (wrap: (store: ObjectStore, opened: number) => ObjectStore) => Promise<StoreFixture>,
): Promise<StoreFixture> {
  const lines: FaultyStore[] = [];
  const fixture = await start((store, seed) => {
    const line = createFaultyStore(store, { seed, ...faults });
    lines.push(line);
    return withRetry(line, patient, runtime);
  });
  return { ...fixture, unmet: () => unmetFaults(faults, lines) };
}

const bad = { refuse: 0.2, loseAnswer: 0.2, tear: 0.1, cut: 0.05, repeat: 0.1, delay: 0.2 };
const lessBad = { refuse: 0.1, loseAnswer: 0.1, tear: 0.05, cut: 0.005, repeat: 0.05, delay: 0.1 };

describeObjectStore('file store', () => onFiles());
describeObjectStore('file store with limits', () => onFiles(store => withLimit(store, { calls: 2, reads: 2 })));
describeObjectStore('file store behind a bad line, with retry', () => behindBadLine(bad, onFiles));
describeObjectStore('MinIO', () => onServer(startMinio));
describeObjectStore('MinIO with versioning, behind a bad line, with retry', () =>
  behindBadLine(lessBad, wrap => onServer(startMinio, { versioning: true }, wrap)),
);
describeObjectStore('versitygw', () => onServer(startVersitygw));
