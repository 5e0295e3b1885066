/** Rejects with the signal's reason as soon as it is aborted, even while the source gives nothing. The source is told to end either way. */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let waiting = false;
  try {
    for (;;) {
      waiting = true;
      const next = await Promise.race([iterator.next(), aborted.promise]);
      waiting = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    const returned = iterator.return?.();
    // A generator that is still waiting inside next() ends only after that: nobody may wait for it here.
    if (waiting) void Promise.resolve(returned).catch(() => {});
    else await returned;
  }
}

/** Groups a stream into buffers of `size` bytes; the last may be smaller. An empty stream gives none. Each buffer is new: it may be kept. */
export async function* inBuffers(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let buffer = Buffer.alloc(0);
  let used = 0;
  for await (let chunk of source) {
    while (chunk.length > 0) {
      if (buffer.length === 0) buffer = Buffer.allocUnsafeSlow(size);
      const take = Math.min(size - used, chunk.length);
      buffer.set(chunk.subarray(0, take), used);
      used += take;
      chunk = chunk.subarray(take);
      if (used === size) {
        yield buffer;
        buffer = Buffer.alloc(0);
        used = 0;
      }
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
}
