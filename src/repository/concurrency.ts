type Items<T> = AsyncIterable<T> | Iterable<T>;

/** Works on items as they come, at most `concurrency` at a time; rejects with the first failure once what had begun has ended. */
export async function eachConcurrently<T>(source: Items<T>, concurrency: number, work: (item: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { readonly thrown: unknown } | undefined;
  try {
    for await (const item of source) {
      const one = work(item).then(
        () => void running.delete(one),
        (thrown: unknown) => {
          running.delete(one);
          failure ??= { thrown };
        },
      );
      running.add(one);
      if (running.size >= concurrency) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure.thrown;
}

/** Results in the order of the source, with up to `ahead` items worked on at once. */
export async function* mapAhead<T, R>(source: Items<T>, ahead: number, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const waiting: Promise<R>[] = [];
  try {
    for await (const item of source) {
      const result = work(item);
      // It is awaited in its turn; until then a failure must not count as unhandled.
      result.catch(() => {});
      waiting.push(result);
      if (waiting.length >= ahead) yield await waiting.shift()!;
    }
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield await next;
  } finally {
    await Promise.allSettled(waiting);
  }
}

/** Waits for work that others wait for as well: it goes on when one of them leaves, who gets the signal’s reason. */
export function unlessAborted<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return shared;
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
