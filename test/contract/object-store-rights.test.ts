import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HoldfastError } from '../../src/domain/errors.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { binary } from '../cluster/binaries.ts';
import { startGuarded } from '../cluster/guarded-process.ts';
import { freePort } from '../cluster/ports.ts';
import { type S3Server, startMinio, startVersitygw } from '../cluster/s3.ts';
import { limitedAccount } from './object-store-account.ts';
import { collect, keysOf, MiB, patterned, withCode } from './object-store-helpers.ts';

const run = promisify(execFile);
const runtime: Runtime = { now: () => new Date(), random: bytes => randomBytes(bytes), sleep: async () => {} };
const policy = { attempts: 4, totalMs: 60_000, firstMs: 1, maxMs: 1 };

describe('accounts with few rights on MinIO', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startMinio();
    await server.createBucket('store');
  });
  afterAll(() => server?.stop());

  it('may not write where they may only read', async () => {
    const credentials = await limitedAccount(server, ['s3:GetObject', 's3:ListBucket']);
    const store = createS3Store({ endpoint: server.endpoint, bucket: 'store', credentials });
    for (const body of [Buffer.from('x'), Buffer.alloc(8 * MiB), Buffer.alloc(20 * MiB)]) {
      const refused = { code: 'STORE_FORBIDDEN', message: expect.stringMatching(/ a: Access Denied/) };
      await expect(store.put('a', body)).rejects.toEqual(expect.objectContaining(refused));
    }
    expect(await store.head('a')).toBeUndefined();
    await store.close();
  });

  it('may write, and never overwrite, where they may only write', async () => {
    const credentials = await limitedAccount(server, ['s3:PutObject']);
    const store = withRetry(createS3Store({ endpoint: server.endpoint, bucket: 'store', credentials }), policy, runtime);
    await store.put('written', Buffer.from('first'));
    await store.put('large', patterned(20 * MiB));
    await expect(store.put('written', Buffer.from('second'))).rejects.toEqual(withCode('STORE_EXISTS'));
    await expect(store.put('large', patterned(20 * MiB))).rejects.toEqual(withCode('STORE_EXISTS'));
    await expect(collect(store.get('written'))).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await expect(store.head('written')).rejects.toEqual(withCode('STORE_FORBIDDEN'));
    await store.close();
  });
});

describe('a versitygw that only reads', () => {
  it('refuses a write, which is said even where it closes the connection before its answer', async () => {
    const writable = await startVersitygw();
    try {
      await writable.createBucket('store');
      const port = await freePort();
      const readonly = await startGuarded({
        name: 'versitygw-readonly',
        command: await binary('versitygw'),
        args: ['--readonly', '--port', `127.0.0.1:${port}`, 'posix', join(writable.dir, 'data')],
        env: { ROOT_ACCESS_KEY: writable.accessKey, ROOT_SECRET_KEY: writable.secretKey },
        logFile: join(writable.dir, 'readonly.log'),
      });
      try {
        const credentials = { accessKeyId: writable.accessKey, secretAccessKey: writable.secretKey };
        const store = createS3Store({ endpoint: `http://127.0.0.1:${port}`, bucket: 'store', credentials });
        await expect.poll(() => store.head('a').catch((thrown: HoldfastError) => thrown.code), { timeout: 60_000 }).toBeUndefined();
        for (const size of [10, 8 * MiB, 20 * MiB]) {
          await expect(store.put('a', Buffer.alloc(size)), `${size} bytes`).rejects.toEqual(withCode('STORE_FORBIDDEN'));
        }
        await store.close();
      } finally {
        await readonly.stop();
      }
    } finally {
      await writable.stop();
    }
  });
});

describe('a versitygw whose disk is full', () => {
  it.skipIf(process.getuid?.() !== 0)('is said, leaves nothing visible, and keeps what was there', async () => {
    const server = await startVersitygw();
    try {
      await server.createBucket('store');
      const bucket = join(server.dir, 'data/store');
      await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', bucket]);
      const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
      const store = createS3Store({ endpoint: server.endpoint, bucket: 'store', credentials });
      try {
        await store.put('before', patterned(7 * MiB));
        await expect(store.put('too-large', Buffer.alloc(15 * MiB))).rejects.toEqual(withCode('STORE_FULL'));
        await expect(store.put('too-large', patterned(40 * MiB))).rejects.toEqual(withCode('STORE_FULL'));
        expect(await keysOf(store)).toEqual(['before']);
        expect((await collect(store.get('before'))).equals(await collect(patterned(7 * MiB)))).toBe(true);
      } finally {
        await store.close();
        await run('umount', ['-l', bucket]);
      }
    } finally {
      await server.stop();
    }
  });
});
