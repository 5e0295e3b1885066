import type { Fence } from '../domain/fence.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * The same store, whose put and delete ask the fence first and fail with NOT_LEADER; a streamed body asks before every chunk, and after the
 * last one. Belongs inside of retry, so that every try asks: what was stopped during a pause between two tries must not try again.
 */
export function fencedStore(store: ObjectStore, fence: Fence): ObjectStore {
  return {
    url: store.url,
    put: async (key, body, options) => {
      fence.check();
      return await store.put(key, body instanceof Uint8Array ? body : fenced(body, fence), options);
    },
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    list: (prefix, options) => store.list(prefix, options),
    listNames: (prefix, options) => store.listNames(prefix, options),
    delete: async (key, options) => {
      fence.check();
      await store.delete(key, options);
    },
    close: () => store.close(),
  };
}

async function* fenced(body: AsyncIterable<Uint8Array>, fence: Fence): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    fence.check();
    yield chunk;
  }
  fence.check();
}
