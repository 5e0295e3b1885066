import { setImmediate as nextTurn } from 'node:timers/promises';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

/** How likely each fault is at each occasion, from 0 to 1. The same seed and calls give the same faults. */
export interface Faults {
  readonly seed: number;
  /** A call fails before it did anything. */
  readonly refuse?: number;
  /** A put of bytes is stored, and its answer is lost: the caller cannot know. */
  readonly loseAnswer?: number;
  /** A get breaks off after a chunk, a list after an entry. */
  readonly cut?: number;
  /** A call takes some turns of the event loop, so that others overtake it. */
  readonly delay?: number;
  /** What somebody else stores under a key just before our put arrives. */
  readonly rival?: (key: string) => Uint8Array | undefined;
}

export interface FaultyStore extends ObjectStore {
  /** How often each fault occurred. */
  readonly injected: Readonly<Record<'refuse' | 'loseAnswer' | 'cut' | 'delay' | 'rival', number>>;
}

/** mulberry32: small, seeded, even enough for choosing faults. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A real store behind a bad line. */
export function createFaultyStore(inner: ObjectStore, faults: Faults): FaultyStore {
  const random = seededRandom(faults.seed);
  const injected = { refuse: 0, loseAnswer: 0, cut: 0, delay: 0, rival: 0 };
  const happens = (fault: 'refuse' | 'loseAnswer' | 'cut' | 'delay'): boolean => {
    if (random() >= (faults[fault] ?? 0)) return false;
    injected[fault] += 1;
    return true;
  };
  const broken = (doing: string) => new HoldfastError('STORE_UNREACHABLE', `${doing}: the connection broke (injected)`);
  const begin = async (doing: string): Promise<void> => {
    if (happens('delay')) for (let turns = Math.ceil(random() * 20); turns > 0; turns--) await nextTurn();
    if (happens('refuse')) throw broken(doing);
  };
  async function* cutting<T>(doing: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    await begin(doing);
    for await (const item of source) {
      yield item;
      if (happens('cut')) throw broken(doing);
    }
  }
  return {
    url: inner.url,
    injected,
    put: async (key, body, options) => {
      await begin(`writing ${key}`);
      const theirs = faults.rival?.(key);
      if (theirs !== undefined) {
        injected.rival += 1;
        await inner.put(key, theirs);
      }
      const result = await inner.put(key, body, options);
      if (body instanceof Uint8Array && happens('loseAnswer')) throw broken(`writing ${key}`);
      return result;
    },
    get: (key, options) => cutting(`reading ${key}`, inner.get(key, options)),
    head: async (key, options) => {
      await begin(`looking for ${key}`);
      return await inner.head(key, options);
    },
    list: (prefix, options) => cutting(`listing ${prefix}`, inner.list(prefix, options)),
    listNames: (prefix, options) => cutting(`listing ${prefix}`, inner.listNames(prefix, options)),
    delete: async (key, options) => {
      await begin(`deleting ${key}`);
      await inner.delete(key, options);
    },
    close: () => inner.close(),
  };
}
