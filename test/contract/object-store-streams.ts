import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { all, collect, digest, keysOf, MiB, patterned } from './object-store-helpers.ts';

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Bodies of any size, in constant memory. */
export function describeStreams(store: () => ObjectStore): void {
  it.each([0, 5, 8 * MiB, 8 * MiB + 1, 23 * MiB + 7])('stores a stream of %i bytes', async size => {
    expect(await store().put('stream', patterned(size))).toEqual({ bytes: size });
    expect((await store().head('stream'))?.bytes).toBe(size);
    expect(await digest(store().get('stream'))).toBe(await digest(patterned(size)));
  });

  it('stores bytes larger than a part', async () => {
    const content = await collect(patterned(21 * MiB + 3));
    await store().put('bytes', content);
    expect(await digest(store().get('bytes'))).toBe(await digest(patterned(content.length)));
  });

  it('streams 96 MiB in and out without holding them', async () => {
    const buffers = () => process.memoryUsage().arrayBuffers;
    const before = buffers();
    let most = 0;
    const watch = () => {
      // What is only garbage is not held: where there seems to be much, it is collected before it counts.
      if (buffers() - before > most && buffers() - before > 32 * MiB) collectGarbage();
      most = Math.max(most, buffers() - before);
    };
    await store().put('large', patterned(96 * MiB, watch));
    let bytes = 0;
    for await (const chunk of store().get('large')) {
      bytes += chunk.length;
      watch();
    }
    expect(bytes).toBe(96 * MiB);
    expect(most).toBeLessThan(64 * MiB);
  });

  it('passes on what the body fails with, and leaves nothing visible', async () => {
    for (const size of [100_000, 20 * MiB]) {
      const failure = new Error('the source ended badly');
      const body = async function* () {
        yield* patterned(size);
        throw failure;
      };
      await expect(store().put('half/written', body())).rejects.toBe(failure);
      expect(await store().head('half/written')).toBeUndefined();
    }
    expect(await keysOf(store())).toEqual([]);
    expect(await all(store().listNames(''))).toEqual([]);
    await store().put('half/written', Buffer.from('whole'));
    expect(await keysOf(store())).toEqual(['half/written']);
  });

  it('can be left in the middle of many reads, and go on', async () => {
    await store().put('large', patterned(4 * MiB));
    for (let i = 0; i < 40; i++) {
      for await (const chunk of store().get('large')) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect((await store().head('large'))?.bytes).toBe(4 * MiB);
  });

  it('feeds a put from a get of the same store', async () => {
    await store().put('from', patterned(10 * MiB));
    await Promise.all([1, 2, 3, 4].map(i => store().put(`to/${i}`, store().get('from'))));
    expect(await digest(store().get('to/3'))).toBe(await digest(patterned(10 * MiB)));
  });
}

/** Whatever is under way ends when it is told to. */
export function describeAborts(store: () => ObjectStore): void {
  const reason = new Error('enough');

  it('does nothing when aborted beforehand', async () => {
    await store().put('there', Buffer.from('x'));
    const options = { signal: AbortSignal.abort(reason) };
    await expect(store().put('new', Buffer.from('x'), options)).rejects.toBe(reason);
    await expect(store().put('new', patterned(10), options)).rejects.toBe(reason);
    await expect(collect(store().get('there', options))).rejects.toBe(reason);
    await expect(store().head('there', options)).rejects.toBe(reason);
    await expect(all(store().list('', options))).rejects.toBe(reason);
    await expect(all(store().listNames('', options))).rejects.toBe(reason);
    await expect(store().delete('there', options)).rejects.toBe(reason);
    expect(await keysOf(store())).toEqual(['there']);
  });

  it.each([1, 20 * MiB])('stops a put whose body hangs after %i bytes, and leaves nothing visible', async size => {
    const controller = new AbortController();
    const body = async function* () {
      yield* patterned(size);
      queueMicrotask(() => controller.abort(reason));
      await new Promise(() => {});
    };
    await expect(store().put('hanging', body(), { signal: controller.signal })).rejects.toBe(reason);
    expect(await store().head('hanging')).toBeUndefined();
    expect(await keysOf(store())).toEqual([]);
  });

  it('stops a read in the middle', async () => {
    await store().put('large', patterned(8 * MiB));
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of store().get('large', { signal: controller.signal })) controller.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
    expect((await store().head('large'))?.bytes).toBe(8 * MiB);
  });

  it('stops a list in the middle', async () => {
    for (const key of ['a', 'b', 'c']) await store().put(key, Buffer.from('x'));
    const controller = new AbortController();
    const list = async () => {
      for await (const _ of store().list('', { signal: controller.signal })) controller.abort(reason);
    };
    await expect(list()).rejects.toBe(reason);
  });
}
