import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { withLimit } from './limit.ts';
import type { ObjectStore } from './object-store.ts';

/** Keeps every call waiting until it is let go, and counts how many there are. */
function gatedStore() {
  const waiting: (() => void)[] = [];
  const gate = () => new Promise<void>(resolve => waiting.push(resolve));
  const none = async function* () {};
  const store: ObjectStore = {
    url: 'file:///gated',
    put: async () => gate().then(() => ({ bytes: 0 })),
    get: async function* () {
      await gate();
      yield Buffer.from('x');
    },
    head: async () => gate().then(() => undefined),
    list: none,
    listNames: none,
    delete: async () => gate(),
    close: async () => {},
  };
  return { store, waiting };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn();
}

async function read(source: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of source) bytes += chunk.length;
  return bytes;
}

describe('a store with limits', () => {
  it('has no more calls under way than allowed, and lets the next begin when one ends', async () => {
    const { store, waiting } = gatedStore();
    const limited = withLimit(store, { calls: 2, reads: 1 });
    const done = Promise.all([limited.put('a', Buffer.alloc(0)), limited.head('b'), limited.delete('c'), limited.head('d')]);
    await settle();
    expect(waiting).toHaveLength(2);
    waiting.shift()!();
    await settle();
    expect(waiting).toHaveLength(2);
    for (let i = 0; i < 3; i++) {
      waiting.shift()!();
      await settle();
    }
    await done;
  });

  it('counts reads apart, until their last byte', async () => {
    const { store, waiting } = gatedStore();
    const limited = withLimit(store, { calls: 1, reads: 1 });
    const done = Promise.all([read(limited.get('a')), read(limited.get('b')), limited.head('c')]);
    await settle();
    expect(waiting).toHaveLength(2);
    while (waiting.length > 0) {
      waiting.shift()!();
      await settle();
    }
    expect(await done).toEqual([1, 1, undefined]);
  });

  it('gives a place back when a call fails or a read is left', async () => {
    const { store, waiting } = gatedStore();
    const limited = withLimit({ ...store, head: () => Promise.reject(new Error('failed')) }, { calls: 1, reads: 1 });
    await expect(limited.head('a')).rejects.toThrow('failed');
    await expect(limited.head('a')).rejects.toThrow('failed');
    for (let i = 0; i < 2; i++) {
      const left = (async () => {
        for await (const _ of limited.get('a')) break;
      })();
      await settle();
      waiting.shift()!();
      await left;
    }
  });

  it('lets a call go whose signal is aborted while it waits its turn', async () => {
    const { store, waiting } = gatedStore();
    const limited = withLimit(store, { calls: 1, reads: 1 });
    const first = limited.head('a');
    const controller = new AbortController();
    const second = limited.head('b', { signal: controller.signal });
    const third = limited.head('c');
    controller.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    waiting.shift()!();
    await first;
    await settle();
    waiting.shift()!();
    await third;
  });
});
