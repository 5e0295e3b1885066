import type { CallOptions, ObjectStore } from './object-store.ts';

export interface StoreLimits {
  /** Puts, heads, deletes and pages of lists under way at a time. */
  readonly calls: number;
  /** Objects being read at a time. Counted apart, so that a put may take its body from a get of the same store. */
  readonly reads: number;
}

/** The same store with a bound on what is under way at once; what exceeds it waits its turn, or until its signal is aborted. */
export function withLimit(store: ObjectStore, limits: StoreLimits): ObjectStore {
  const calls = createSemaphore(limits.calls);
  const reads = createSemaphore(limits.reads);
  const limited = <T>(call: CallOptions, run: () => Promise<T>): Promise<T> => calls.hold(call.signal, run);
  return {
    url: store.url,
    put: (key, body, call = {}) => limited(call, () => store.put(key, body, call)),
    get: async function* (key, call = {}) {
      const release = await reads.acquire(call.signal);
      try {
        yield* store.get(key, call);
      } finally {
        release();
      }
    },
    head: (key, call = {}) => limited(call, () => store.head(key, call)),
    list: (prefix, call = {}) => stepwise(limited, call, store.list(prefix, call)),
    listNames: (prefix, call = {}) => stepwise(limited, call, store.listNames(prefix, call)),
    delete: (key, call = {}) => limited(call, () => store.delete(key, call)),
    close: () => store.close(),
  };
}

/** A place is held for each step and not for the whole list: whoever lists usually calls the store for what was listed. */
async function* stepwise<T>(
  limited: <R>(call: CallOptions, run: () => Promise<R>) => Promise<R>,
  call: CallOptions,
  source: AsyncIterable<T>,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await limited(call, () => iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

interface Semaphore {
  /** Resolves with the release, to be called once; rejects with the signal's reason when aborted before its turn. */
  acquire(signal?: AbortSignal): Promise<() => void>;
  hold<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T>;
}

function createSemaphore(places: number): Semaphore {
  let free = places;
  const waiting = new Set<() => void>();
  const release = () => {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  };
  const acquire = async (signal?: AbortSignal): Promise<() => void> => {
    signal?.throwIfAborted();
    if (free > 0) {
      free -= 1;
      return release;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = () => {
      waiting.delete(turn);
      signal?.removeEventListener('abort', give);
      resolve();
    };
    const give = () => {
      waiting.delete(turn);
      reject(signal?.reason);
    };
    waiting.add(turn);
    signal?.addEventListener('abort', give, { once: true });
    await promise;
    return release;
  };
  return {
    acquire,
    hold: async (signal, run) => {
      const done = await acquire(signal);
      try {
        return await run();
      } finally {
        done();
      }
    },
  };
}
