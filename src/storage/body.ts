/** Rejects with the signal's reason as soon as it is aborted, even while the source gives nothing. The source is told to end either way. */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  // Not Promise.race: it would leave a reaction behind on one long-lived promise for every item.
  let interrupt: ((reason: unknown) => void) | undefined;
  const onAbort = () => interrupt?.(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let waiting = false;
  try {
    for (;;) {
      waiting = true;
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject;
        iterator.next().then(resolve, reject);
      });
      waiting = false;
      if (next.done === true) return;
      yield next.value;
      signal.throwIfAborted();
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    const returned = iterator.return?.();
    // A generator that is still waiting inside next() ends only after that: nobody may wait for it here.
    if (waiting) void Promise.resolve(returned).catch(() => {});
    else await returned;
  }
}

/** Buffers of one size that are used again, so that a stream of any length takes only as many as are in use at once. */
export interface BufferPool {
  readonly size: number;
  take(): Buffer;
  /** To be called when nothing refers to the buffer any more; any other buffer is ignored. */
  give(buffer: Uint8Array): void;
}

export function createBufferPool(size: number): BufferPool {
  const free: Buffer[] = [];
  const own = new WeakSet<Uint8Array>();
  return {
    size,
    take: () => {
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(size);
      own.add(buffer);
      return buffer;
    },
    give: buffer => {
      if (own.delete(buffer)) free.push(buffer as Buffer);
    },
  };
}

/** Groups a stream into buffers of the pool's size; the last may be smaller. An empty stream gives none. */
export async function* inBuffers(source: AsyncIterable<Uint8Array>, pool: BufferPool): AsyncGenerator<Uint8Array> {
  let buffer: Buffer | undefined;
  let used = 0;
  for await (let chunk of source) {
    while (chunk.length > 0) {
      buffer ??= pool.take();
      const take = Math.min(pool.size - used, chunk.length);
      buffer.set(chunk.subarray(0, take), used);
      used += take;
      chunk = chunk.subarray(take);
      if (used === pool.size) {
        yield buffer;
        buffer = undefined;
        used = 0;
      }
    }
  }
  if (buffer !== undefined) yield buffer.subarray(0, used);
}
