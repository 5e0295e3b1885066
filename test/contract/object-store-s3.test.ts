import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { retrying } from '../../src/storage/attempt.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createS3Store, type S3Store, type S3StoreOptions } from '../../src/storage/s3-store.ts';
import { freePort } from '../cluster/ports.ts';
import { type S3Server, s3Client, startMinio, startVersitygw } from '../cluster/s3.ts';
import { all, collect, keysOf, MiB, patterned, withCode } from './object-store-helpers.ts';
import { type MishapProxy, startMishapProxy } from './object-store-proxy.ts';

const runtime: Runtime = { now: () => new Date(), random: bytes => randomBytes(bytes), sleep: async () => {} };
const policy = { attempts: 4, totalMs: 60_000, firstMs: 1, maxMs: 1 };

/** Every call once; each gives its error, or undefined. */
async function errorsOfAllCalls(store: ObjectStore): Promise<(HoldfastError | undefined)[]> {
  const calls: (() => Promise<unknown>)[] = [
    () => store.head('a'),
    () => store.put('a', Buffer.alloc(8 * MiB)),
    () => store.put('b', patterned(20 * MiB)),
    () => collect(store.get('a')),
    () => collect(store.get('a', { range: { start: 1, end: 5 } })),
    () => all(store.list('')),
    () => all(store.listNames('')),
    () => store.delete('a'),
  ];
  const errors: (HoldfastError | undefined)[] = [];
  for (const call of calls) {
    try {
      await call();
      errors.push(undefined);
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      errors.push(thrown);
    }
  }
  return errors;
}

describe.each([
  ['MinIO', startMinio],
  ['versitygw', startVersitygw],
])('S3 store on %s', (_, start) => {
  let server: S3Server;
  let proxy: MishapProxy;
  let opened = 0;
  const stores: ObjectStore[] = [];

  function open(options: Partial<S3StoreOptions> = {}): S3Store {
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    const store = createS3Store({ endpoint: server.endpoint, bucket: 'store', prefix: `p${opened}`, credentials, ...options });
    stores.push(store);
    return store;
  }
  const openBehindProxy = (options: Partial<S3StoreOptions> = {}) => open({ endpoint: proxy.endpoint, ...options });

  beforeAll(async () => {
    server = await start();
    await server.createBucket('store');
    proxy = await startMishapProxy(server.endpoint);
  });
  beforeEach(() => {
    opened += 1;
    proxy.onRequest(() => undefined);
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  async function uploadsUnderWay(): Promise<(string | undefined)[]> {
    const client = s3Client(server);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'store' })).finally(() => client.destroy());
    return (Uploads ?? []).map(upload => upload.Key);
  }

  describe('refusals', () => {
    it('says that the bucket is missing, at every call', async () => {
      for (const error of await errorsOfAllCalls(open({ bucket: 'no-such-bucket' })))
        expect(error).toEqual(withCode('STORE_BUCKET_MISSING'));
    });

    it('says which call the store refused to unknown accounts and wrong secrets, and never a secret', async () => {
      const secretAccessKey = 'wrong'.repeat(8);
      for (const accessKeyId of [server.accessKey, 'nobody']) {
        const errors = await errorsOfAllCalls(open({ credentials: { accessKeyId, secretAccessKey } }));
        expect(errors.map(error => error?.code)).toEqual(errors.map(() => 'STORE_FORBIDDEN'));
        for (const error of errors) {
          expect(error?.message).toMatch(/^(looking for|writing|reading|listing|deleting)/);
          expect(JSON.stringify(error, Object.getOwnPropertyNames(error ?? {}))).not.toContain(secretAccessKey);
        }
      }
    });

    it('says that nobody answers', async () => {
      const port = await freePort();
      for (const endpoint of [`http://127.0.0.1:${port}`, 'http://no-such-host.invalid:9000']) {
        for (const error of await errorsOfAllCalls(open({ endpoint }))) expect(error).toEqual(withCode('STORE_UNREACHABLE'));
      }
    });

    it('says what the store says of a full disk, of overload, and of its own failures', async () => {
      const body = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>words of the store</Message></Error>`;
      const answers = [
        { status: 507, code: 'XMinioStorageFull', expected: 'STORE_FULL' },
        { status: 403, code: 'QuotaExceeded', expected: 'STORE_FULL' },
        { status: 503, code: 'SlowDown', expected: 'STORE_ERROR' },
        { status: 409, code: 'ConditionalRequestConflict', expected: 'STORE_ERROR' },
        { status: 500, code: 'InternalError', expected: 'STORE_ERROR' },
        { status: 400, code: 'RequestTimeout', expected: 'STORE_ERROR' },
        { status: 400, code: 'InvalidArgument', expected: 'STORE_FORBIDDEN' },
        { status: 301, code: 'PermanentRedirect', expected: 'STORE_FORBIDDEN' },
      ];
      for (const { status, code, expected } of answers) {
        proxy.onRequest(message => (message.method === 'PUT' ? { kind: 'answer', status, body: body(code) } : undefined));
        const store = openBehindProxy();
        const message = expect.stringMatching(`^writing a: words of the store \\(${code}, HTTP ${status}`);
        await expect(store.put('a', Buffer.from('x')), code).rejects.toEqual(expect.objectContaining({ code: expected, message }));
      }
    });
  });

  describe('write-once', () => {
    it('is enforced by the server itself, and the question leaves nothing behind', async () => {
      const store = open();
      expect(await store.probeWriteOnce()).toBe('enforced');
      expect(await all(open({ prefix: '' }).listNames(''))).not.toContain(`p${opened}/`);
    });

    it('is held by a look beforehand on servers that know no conditional writes', async () => {
      proxy.onRequest(message => (message.headers['if-none-match'] === '*' ? { kind: 'answer', status: 501 } : undefined));
      const store = openBehindProxy();
      expect(await store.probeWriteOnce()).toBe('ignored');
      await store.put('a', Buffer.from('first'));
      await store.put('large', patterned(17 * MiB));
      await expect(store.put('a', Buffer.from('second'))).rejects.toEqual(withCode('STORE_EXISTS'));
      expect((await collect(store.get('a'))).toString()).toBe('first');
      expect((await store.head('large'))?.bytes).toBe(17 * MiB);
    });
  });

  describe('uploads in parts', () => {
    it('leave no parts behind when they fail or are aborted', async () => {
      const store = openBehindProxy();
      const failing = async function* () {
        yield* patterned(20 * MiB);
        throw new Error('source failed');
      };
      await expect(store.put('a', failing())).rejects.toThrow('source failed');
      proxy.onRequest(message => (message.url?.includes('partNumber=2') ? { kind: 'answer', status: 500 } : undefined));
      await expect(store.put('b', patterned(40 * MiB))).rejects.toEqual(withCode('STORE_ERROR'));
      const controller = new AbortController();
      proxy.onRequest(message => {
        if (!message.url?.includes('partNumber=')) return undefined;
        controller.abort(new Error('enough'));
        return { kind: 'stall' };
      });
      await expect(store.put('c', patterned(40 * MiB), { signal: controller.signal })).rejects.toThrow('enough');
      expect(await uploadsUnderWay()).toEqual([]);
      expect(await keysOf(store)).toEqual([]);
    });

    it('send a part again whose connection broke or that arrived altered', async () => {
      const store = openBehindProxy({ attemptPart: retrying(policy, runtime) });
      const mishaps = new Map([
        ['uploads', { kind: 'refuse' }],
        ['partNumber=1', { kind: 'refuse' }],
        ['partNumber=2', { kind: 'flip-bit' }],
        ['partNumber=3', { kind: 'lose-answer' }],
      ] as const);
      proxy.onRequest(message => {
        const [name, mishap] = [...mishaps].find(([part]) => message.url?.includes(part)) ?? [];
        if (name !== undefined) mishaps.delete(name);
        return mishap;
      });
      await store.put('a', patterned(30 * MiB));
      expect(mishaps.size).toBe(0);
      expect((await collect(store.get('a'))).equals(await collect(patterned(30 * MiB)))).toBe(true);
    });

    it('are known to be done when only the answer to their end was lost', async () => {
      const store = openBehindProxy({ attemptPart: retrying(policy, runtime) });
      let lost = 0;
      proxy.onRequest(message => {
        if (message.method !== 'POST' || !message.url?.includes('uploadId') || lost > 0) return undefined;
        lost += 1;
        return { kind: 'lose-answer' };
      });
      expect(await store.put('a', patterned(20 * MiB))).toEqual({ bytes: 20 * MiB });
      expect(lost).toBe(1);
      expect((await collect(store.get('a'))).equals(await collect(patterned(20 * MiB)))).toBe(true);
    });
  });

  describe('a bad line', () => {
    it('never lets altered bytes be stored', async () => {
      proxy.onRequest(message => (message.method === 'PUT' ? { kind: 'flip-bit' } : undefined));
      const store = openBehindProxy();
      await expect(store.put('small', Buffer.from('some content'))).rejects.toEqual(withCode('STORE_ERROR'));
      await expect(store.put('large', patterned(20 * MiB))).rejects.toEqual(withCode('STORE_ERROR'));
      expect(await keysOf(store)).toEqual([]);
    });

    it('is survived by a put whose answer was lost, but not when it is another’s object that is there', async () => {
      const direct = open();
      const store = withRetry(openBehindProxy(), policy, runtime);
      let lost = 0;
      proxy.onRequest(message => (message.method === 'PUT' && lost++ === 0 ? { kind: 'lose-answer' } : undefined));
      expect(await store.put('ours', Buffer.from('our content'))).toEqual({ bytes: 11 });
      expect(lost).toBe(1);
      let first = true;
      proxy.onRequest(message => {
        if (message.method !== 'PUT' || !first) return undefined;
        first = false;
        return { kind: 'refuse' };
      });
      const theirs = direct.put('theirs', Buffer.from('her content'));
      await theirs;
      await expect(store.put('theirs', Buffer.from('our content'))).rejects.toEqual(withCode('STORE_EXISTS'));
      expect((await collect(direct.get('theirs'))).toString()).toBe('her content');
    });

    it('breaks a read with an error, which retry mends from where it broke', async () => {
      const content = randomBytes(5 * MiB);
      await open().put('a', content);
      proxy.onRequest(message => (message.method === 'GET' ? { kind: 'cut-answer', bytes: 2 * MiB } : undefined));
      await expect(collect(openBehindProxy().get('a'))).rejects.toEqual(withCode('STORE_UNREACHABLE'));
      const ranges: (string | undefined)[] = [];
      proxy.onRequest(message => {
        if (message.method !== 'GET') return undefined;
        ranges.push(message.headers.range);
        return ranges.length < 3 ? { kind: 'cut-answer', bytes: 2 * MiB } : undefined;
      });
      expect(content.equals(await collect(withRetry(openBehindProxy(), policy, runtime).get('a')))).toBe(true);
      expect(ranges).toHaveLength(3);
      expect(ranges[0]).toBeUndefined();
      expect(ranges[2]).toMatch(/^bytes=[1-9]\d+-/);
    });

    it('cannot make a call wait for ever', async () => {
      const content = randomBytes(MiB);
      await open().put('a', content);
      proxy.onRequest(() => ({ kind: 'stall' }));
      const store = openBehindProxy({ idleTimeoutMs: 200 });
      for (const error of await errorsOfAllCalls(store)) expect(error).toEqual(withCode('STORE_UNREACHABLE'));
    });

    it('does not delay an abort', async () => {
      const controller = new AbortController();
      proxy.onRequest(() => {
        controller.abort(new Error('enough'));
        return { kind: 'stall' };
      });
      const store = openBehindProxy();
      await expect(store.put('a', Buffer.alloc(8 * MiB), { signal: controller.signal })).rejects.toThrow('enough');
    });
  });
});
