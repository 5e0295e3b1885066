import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface CountingStore extends ObjectStore {
  /** What was asked for since it was last taken: `get backups/…/manifest.json`; a listing once for each thousand that it named, as a bucket is asked. */
  take(): string[];
}

/** A real store whose requests are counted. */
export function createCountingStore(inner: ObjectStore): CountingStore {
  let asked: string[] = [];
  const tell = (what: string, key: string): void => {
    asked.push(`${what} ${key}`);
  };
  async function* paged<T>(what: string, prefix: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    let named = 0;
    tell(what, prefix);
    for await (const one of source) {
      if (named > 0 && named % 1000 === 0) tell(what, prefix);
      named += 1;
      yield one;
    }
  }
  return {
    url: inner.url,
    take: () => {
      const taken = asked;
      asked = [];
      return taken;
    },
    put: (key, ...rest) => {
      tell('put', key);
      return inner.put(key, ...rest);
    },
    get: (key, ...rest) => {
      tell('get', key);
      return inner.get(key, ...rest);
    },
    head: (key, ...rest) => {
      tell('head', key);
      return inner.head(key, ...rest);
    },
    list: (prefix, ...rest) => paged('list', prefix, inner.list(prefix, ...rest)),
    listNames: (prefix, ...rest) => paged('list', prefix, inner.listNames(prefix, ...rest)),
    delete: (key, ...rest) => {
      tell('delete', key);
      return inner.delete(key, ...rest);
    },
    close: () => inner.close(),
  };
}

/** What was asked for about sets and holds, in an order of its own: records and the ledger grow with whatever is done. */
export function ofSets(asked: readonly string[]): string[] {
  return asked.filter(one => /^\w+ (backups|holds)\//.test(one)).sort();
}
