import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { createFaultyStore, type Faults } from '../../test/helpers/faulty-store.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { createFileStore } from './file-store.ts';
import type { ObjectStore } from './object-store.ts';
import { withRetry } from './retry.ts';

const runtime: Runtime = { now: () => new Date(), random: bytes => randomBytes(bytes), sleep: async () => {} };
const policy = { attempts: 40, totalMs: 60_000, firstMs: 1, maxMs: 1 };

let dir: string;
let inner: ObjectStore;
beforeEach(async () => {
  dir = await tempDir('retry');
  inner = createFileStore(dir, { readBytes: 1000 });
});

const faulty = (faults: Omit<Faults, 'seed'>, seed = 1) => createFaultyStore(inner, { seed, ...faults });

async function content(store: ObjectStore, key: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.get(key)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a store with retry', () => {
  it('does everything exactly once for its caller, whatever the line does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 6 }), async (seed, sizes) => {
        const store = withRetry(faulty({ refuse: 0.3, loseAnswer: 0.3, cut: 0.3, delay: 0.3 }, seed), policy, runtime);
        const written = new Map(sizes.map((size, i) => [`run${seed}/${i}`, randomBytes(size)]));
        for (const [key, bytes] of written) expect(await store.put(key, bytes)).toEqual({ bytes: bytes.length });
        for (const [key, bytes] of written) expect(bytes.equals(await content(store, key))).toBe(true);
        const listed: string[] = [];
        for await (const object of store.list(`run${seed}/`)) listed.push(object.key);
        expect(listed).toEqual([...written.keys()]);
        for (const key of written.keys()) await store.delete(key);
        for await (const object of inner.list('')) expect.unreachable(object.key);
      }),
      { numRuns: 25 },
    );
  });

  it('takes its own object for done when the answer to the put was lost', async () => {
    const line = faulty({ loseAnswer: 1 });
    expect(await withRetry(line, policy, runtime).put('a', Buffer.from('ours'))).toEqual({ bytes: 4 });
    expect(line.injected.loseAnswer).toBe(1);
  });

  it('does not take another’s object for its own, be it of the same size', async () => {
    const raced = faulty({ rival: () => Buffer.from('hers') });
    let puts = 0;
    const store: ObjectStore = {
      ...inner,
      put: async (key, body, options) => {
        puts += 1;
        if (puts === 1) throw new HoldfastError('STORE_UNREACHABLE', 'the answer was lost');
        return await raced.put(key, body, options);
      },
    };
    await expect(withRetry(store, policy, runtime).put('a', Buffer.from('ours'))).rejects.toMatchObject({ code: 'STORE_EXISTS' });
    expect(puts).toBe(2);
    expect((await content(inner, 'a')).toString()).toBe('hers');
  });

  it('says at once that a key was taken before, also with the same bytes', async () => {
    await inner.put('a', Buffer.from('same'));
    await expect(withRetry(faulty({}), policy, runtime).put('a', Buffer.from('same'))).rejects.toMatchObject({ code: 'STORE_EXISTS' });
  });

  it('sends a small stream again, and a large one only as long as it is untouched', async () => {
    let puts = 0;
    const flaky: ObjectStore = {
      ...inner,
      put: async (key, body, options) => {
        puts += 1;
        if (puts === 1) await withRetry(faulty({ refuse: 1 }), { ...policy, attempts: 1 }, runtime).head('x');
        if (puts === 2 && !(body instanceof Uint8Array)) for await (const _ of body) break;
        if (puts === 2) await withRetry(faulty({ refuse: 1 }), { ...policy, attempts: 1 }, runtime).head('x');
        return await inner.put(key, body, options);
      },
    };
    const stream = async function* (chunks: number) {
      for (let i = 0; i < chunks; i++) yield Buffer.alloc(1024 * 1024, i);
    };
    await withRetry(flaky, policy, runtime).put('small', stream(3));
    expect(puts).toBe(3);
    expect((await inner.head('small'))?.bytes).toBe(3 * 1024 * 1024);
    puts = 0;
    await expect(withRetry(flaky, policy, runtime).put('large', stream(10))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(puts).toBe(2);
    expect(await inner.head('large')).toBeUndefined();
  });

  it('goes on reading where it broke off, also within a range', async () => {
    const bytes = randomBytes(50_000);
    await inner.put('a', bytes);
    const line = faulty({ cut: 0.5 });
    const chunks: Uint8Array[] = [];
    for await (const chunk of withRetry(line, policy, runtime).get('a', { range: { start: 123, end: 45_678 } })) chunks.push(chunk);
    expect(bytes.subarray(123, 45_678).equals(Buffer.concat(chunks))).toBe(true);
    expect(line.injected.cut).toBeGreaterThan(5);
  });

  it('gives up when nothing ever comes', async () => {
    const line = faulty({ refuse: 1 });
    await expect(content(withRetry(line, { ...policy, attempts: 3 }, runtime), 'a')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(line.injected.refuse).toBe(3);
  });
});
