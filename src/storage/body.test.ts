import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { abortable, createBufferPool, inBuffers } from './body.ts';

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

describe('buffers of one size', () => {
  it('hold the stream’s bytes in order, all full but the last', async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 1, max: 64 }), async (parts, size) => {
        const buffers = await all(inBuffers(of(...parts), createBufferPool(size)));
        expect(Buffer.concat(buffers)).toEqual(Buffer.concat(parts));
        for (const buffer of buffers.slice(0, -1)) expect(buffer.length).toBe(size);
        expect(buffers.at(-1)?.length ?? 1).toBeGreaterThan(0);
      }),
    );
  });

  it('are used again only after they were given back, and only once each', async () => {
    const pool = createBufferPool(4);
    const first = pool.take();
    const second = pool.take();
    expect(second).not.toBe(first);
    pool.give(first);
    pool.give(first);
    pool.give(Buffer.alloc(4));
    expect(pool.take()).toBe(first);
    expect([first, second]).not.toContain(pool.take());
  });
});

describe('an abortable stream', () => {
  const reason = new Error('enough');

  it('passes everything on, with and without a signal', async () => {
    expect(await all(abortable(of(1, 2, 3), undefined))).toEqual([1, 2, 3]);
    expect(await all(abortable(of(1, 2, 3), new AbortController().signal))).toEqual([1, 2, 3]);
  });

  it('passes on what its source fails with', async () => {
    const failing = async function* () {
      yield 1;
      throw reason;
    };
    await expect(all(abortable(failing(), new AbortController().signal))).rejects.toBe(reason);
  });

  it('never touches its source when aborted beforehand', async () => {
    let touched = false;
    const source = async function* () {
      touched = true;
      yield 1;
    };
    await expect(all(abortable(source(), AbortSignal.abort(reason)))).rejects.toBe(reason);
    expect(touched).toBe(false);
  });

  it('ends while its source gives nothing', async () => {
    const controller = new AbortController();
    const hanging = async function* () {
      yield 1;
      queueMicrotask(() => controller.abort(reason));
      await new Promise(() => {});
    };
    await expect(all(abortable(hanging(), controller.signal))).rejects.toBe(reason);
  });

  it('ends its source when it is aborted between two items, or left', async () => {
    let ended = 0;
    const source = async function* () {
      try {
        yield* [1, 2, 3];
      } finally {
        ended += 1;
      }
    };
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of abortable(source(), controller.signal)) controller.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
    expect(ended).toBe(1);
    for await (const _ of abortable(source(), new AbortController().signal)) break;
    expect(ended).toBe(2);
  });

  it('leaves no listener behind', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await all(abortable(of(1, 2, 3), signal));
    expect(listeners).toBe(0);
  });
});
