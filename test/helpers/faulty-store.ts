import { setImmediate as nextTurn } from 'node:timers/promises';
import { HoldfastError, isCode } from '../../src/domain/errors.ts';
import type { CallOptions, ObjectStore } from '../../src/storage/object-store.ts';

/** How likely each fault is at each occasion, from 0 to 1. The same seed and calls give the same faults. */
export interface Faults {
  readonly seed: number;
  /** A call fails before it did anything. */
  readonly refuse?: number;
  /** A put of bytes is stored, and its answer is lost: the caller cannot know. */
  readonly loseAnswer?: number;
  /** A put of bytes breaks off in the middle of them. */
  readonly tear?: number;
  /** A get breaks off after a chunk, a list after an entry. */
  readonly cut?: number;
  /** A put of bytes or a delete arrives twice; what the second one is answered reaches nobody. */
  readonly repeat?: number;
  /** A call takes some turns of the event loop, so that others overtake it. */
  readonly delay?: number;
  /** What somebody else stores under a key just before our put arrives. */
  readonly rival?: (key: string) => Uint8Array | undefined;
}

type Likely = Exclude<keyof Faults, 'seed' | 'rival'>;

/** What comes of faults: a call that was overtaken by a later one, a put that came again though it was stored, a second put that was refused. */
type Effect = 'overtaken' | 'sentAgain' | 'refusedTwin';

export interface FaultyStore extends ObjectStore {
  /** How often each fault occurred. */
  readonly injected: Readonly<Record<Likely | 'rival', number>>;
  readonly effects: Readonly<Record<Effect, number>>;
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
  const injected = { refuse: 0, loseAnswer: 0, tear: 0, cut: 0, repeat: 0, delay: 0, rival: 0 };
  const effects = { overtaken: 0, sentAgain: 0, refusedTwin: 0 };
  const untold = new Set<string>();
  let calls = 0;
  let latest = 0;
  const happens = (fault: Likely): boolean => {
    const likely = faults[fault];
    if (likely === undefined || random() >= likely) return false;
    injected[fault] += 1;
    return true;
  };
  const broken = (doing: string) => new HoldfastError('STORE_UNREACHABLE', `${doing}: the connection broke (injected)`);
  const begin = async (doing: string): Promise<void> => {
    const call = ++calls;
    if (happens('delay')) for (let turns = Math.ceil(random() * 20); turns > 0; turns--) await nextTurn();
    if (happens('refuse')) throw broken(doing);
    if (latest > call) effects.overtaken += 1;
    latest = Math.max(latest, call);
  };
  async function* cutting<T>(doing: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    await begin(doing);
    for await (const item of source) {
      yield item;
      if (happens('cut')) throw broken(doing);
    }
  }
  async function* torn(doing: string, body: Uint8Array): AsyncGenerator<Uint8Array> {
    yield body.subarray(0, body.length >> 1);
    throw broken(doing);
  }
  const putBytes = async (key: string, body: Uint8Array, options?: CallOptions): Promise<{ readonly bytes: number }> => {
    const doing = `writing ${key}`;
    if (untold.delete(key)) effects.sentAgain += 1;
    if (happens('tear')) return await inner.put(key, torn(doing, body), options);
    const result = await inner.put(key, body, options);
    if (happens('repeat')) {
      await inner.put(key, body, options).catch(thrown => {
        if (isCode(thrown, 'STORE_EXISTS')) effects.refusedTwin += 1;
      });
    }
    if (happens('loseAnswer')) {
      untold.add(key);
      throw broken(doing);
    }
    return result;
  };
  return {
    url: inner.url,
    injected,
    effects,
    put: async (key, body, options) => {
      await begin(`writing ${key}`);
      const theirs = faults.rival?.(key);
      if (theirs !== undefined) {
        injected.rival += 1;
        await inner.put(key, theirs);
      }
      return body instanceof Uint8Array ? await putBytes(key, body, options) : await inner.put(key, body, options);
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
      if (happens('repeat')) await inner.delete(key, options);
    },
    close: () => inner.close(),
  };
}

/** What lines like these have not done yet, of all that they were asked to do and of what comes of it: without it, a test proves nothing. */
export function unmetFaults(faults: Omit<Faults, 'seed' | 'rival'>, lines: readonly FaultyStore[]): readonly string[] {
  const asked = Object.keys(faults) as Likely[];
  const effects = asked.flatMap(fault => effectOf[fault] ?? []);
  return [
    ...asked.filter(fault => lines.every(({ injected }) => injected[fault] === 0)),
    ...effects.filter(effect => lines.every(line => line.effects[effect] === 0)),
  ];
}

const effectOf: Partial<Record<Likely, Effect>> = { delay: 'overtaken', loseAnswer: 'sentAgain', repeat: 'refusedTwin' };
