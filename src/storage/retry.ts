import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { type Attempt, isTransient, pauseMs, type RetryPolicy, retrying } from './attempt.ts';
import { abortable } from './body.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';

type GetOptions = NonNullable<Parameters<ObjectStore['get']>[1]>;
type ListOptions = NonNullable<Parameters<ObjectStore['list']>[1]>;

// A streamed body that is no larger is held until it is stored, and can then be sent again; a larger one cannot be rewound.
const holdBytes = 8 * 1024 * 1024;

/**
 * The same store, which tries again after STORE_UNREACHABLE and STORE_ERROR. Reads and lists go on where they broke off. A put whose answer
 * was lost is recognised as done by the content of what is then found there. A streamed body beyond 8 MiB is not sent again once some of it was taken.
 */
export function withRetry(store: ObjectStore, policy: RetryPolicy, runtime: Runtime): ObjectStore {
  const attempt = retrying(policy, runtime);
  const again: ObjectStore = {
    url: store.url,
    put: async (key, body, call = {}) => {
      const held = body instanceof Uint8Array ? body : await hold(abortable(body, call.signal));
      if (held instanceof Uint8Array) return await putBytes({ store, again }, attempt, key, held, call);
      return await putStream(store, attempt, key, held, call);
    },
    get: (key, call = {}) => resumed(policy, runtime, call.signal, () => reader(store, key, call)),
    head: (key, call = {}) => attempt(() => store.head(key, call), call.signal),
    list: (prefix, call = {}) => resumed(policy, runtime, call.signal, () => lister(store, prefix, call)),
    listNames: (prefix, call = {}) => resumed(policy, runtime, call.signal, () => nameLister(store, prefix, call)),
    delete: (key, call = {}) => attempt(() => store.delete(key, call), call.signal),
    close: () => store.close(),
  };
  return again;
}

/** The whole body where it is small enough, else a stream of the same bytes. */
async function hold(body: AsyncIterable<Uint8Array>): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const iterator = body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= holdBytes) {
    const next = await iterator.next();
    if (next.done === true) return Buffer.concat(chunks);
    chunks.push(next.value);
    bytes += next.value.length;
  }
  return followedBy(chunks, iterator);
}

async function* followedBy(chunks: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** `again` is the same store with retry: what it reads goes on where it broke off. */
async function putBytes(
  { store, again }: { readonly store: ObjectStore; readonly again: ObjectStore },
  attempt: Attempt,
  key: string,
  body: Uint8Array,
  call: CallOptions,
): Promise<{ bytes: number }> {
  let tries = 0;
  try {
    return await attempt(() => {
      tries += 1;
      return store.put(key, body, call);
    }, call.signal);
  } catch (thrown) {
    // Not the first try: an earlier one may have been stored though its answer never came.
    if (tries > 1 && isCode(thrown, 'STORE_EXISTS') && (await holds(again, key, body, call))) return { bytes: body.length };
    throw thrown;
  }
}

/** Tried again only as long as nothing of the body was taken. */
async function putStream(
  store: ObjectStore,
  attempt: Attempt,
  key: string,
  body: AsyncIterable<Uint8Array>,
  call: CallOptions,
): Promise<{ bytes: number }> {
  let touched = false;
  const watched = async function* () {
    touched = true;
    yield* body;
  };
  const outcome = await attempt(async () => {
    try {
      return await store.put(key, watched(), call);
    } catch (thrown) {
      if (!touched) throw thrown;
      return { thrown };
    }
  }, call.signal);
  if ('thrown' in outcome) throw outcome.thrown;
  return outcome;
}

/** Does the key hold exactly these bytes? False also when it may not be read: then it is not known to be ours. */
async function holds(again: ObjectStore, key: string, body: Uint8Array, call: CallOptions): Promise<boolean> {
  try {
    const found = await again.head(key, call);
    if (found?.bytes !== body.length) return false;
    const chunks: Uint8Array[] = [];
    for await (const chunk of again.get(key, call)) chunks.push(chunk);
    return sha256Hex(Buffer.concat(chunks)) === sha256Hex(body);
  } catch (thrown) {
    if (thrown instanceof HoldfastError) return false;
    throw thrown;
  }
}

/** Gives what is still missing, each time it is asked; remembers what it gave. */
type Rest<T> = () => AsyncIterable<T>;

/** Asks `open` once for a source that can be begun again where it broke off. Tries are counted anew whenever something came. */
async function* resumed<T>(policy: RetryPolicy, runtime: Runtime, signal: AbortSignal | undefined, open: () => Rest<T>): AsyncGenerator<T> {
  const rest = open();
  let attempt = 0;
  let started = runtime.now().getTime();
  for (;;) {
    attempt += 1;
    try {
      for await (const item of rest()) {
        yield item;
        attempt = 1;
        started = runtime.now().getTime();
      }
      return;
    } catch (thrown) {
      const pause = pauseMs(policy, attempt, runtime);
      const late = runtime.now().getTime() + pause - started > policy.totalMs;
      if (!isTransient(thrown) || attempt >= policy.attempts || late) throw thrown;
      await runtime.sleep(pause, signal);
    }
  }
}

function reader(store: ObjectStore, key: string, call: GetOptions): Rest<Uint8Array> {
  const end = call.range?.end ?? Number.MAX_SAFE_INTEGER;
  let at = call.range?.start ?? 0;
  let begun = false;
  return async function* () {
    // What was written once does not change, so that the rest of it still fits to what was read before.
    const options = begun || call.range !== undefined ? { ...call, range: { start: at, end } } : call;
    for await (const chunk of store.get(key, options)) {
      begun = true;
      at += chunk.length;
      yield chunk;
    }
  };
}

function lister(store: ObjectStore, prefix: string, call: ListOptions): Rest<{ key: string; bytes: number; modified: Date }> {
  let { startAfter } = call;
  return async function* () {
    for await (const object of store.list(prefix, startAfter === undefined ? call : { ...call, startAfter })) {
      startAfter = object.key;
      yield object;
    }
  };
}

function nameLister(store: ObjectStore, prefix: string, call: ListOptions): Rest<string> {
  let { startAfter } = call;
  return async function* () {
    for await (const name of store.listNames(prefix, startAfter === undefined ? call : { ...call, startAfter })) {
      startAfter = name;
      yield name;
    }
  };
}
