import { HoldfastError } from '../../src/domain/errors.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export interface DyingStore extends ObjectStore {
  /** Did it come to that call? */
  readonly died: boolean;
}

/** As a process that is killed at its n-th call sees a store: that call is done or not, and no later one is. */
export function createDyingStore(inner: ObjectStore, call: number, isDone: boolean): DyingStore {
  let calls = 0;
  const killed = () => new HoldfastError('STORE_UNREACHABLE', 'killed');
  const isFatal = (): boolean => {
    calls += 1;
    if (calls > call) throw killed();
    return calls === call;
  };
  const once = async <T>(work: () => Promise<T>): Promise<T> => {
    const fatal = isFatal();
    if (fatal && !isDone) throw killed();
    const result = await work();
    if (fatal) throw killed();
    return result;
  };
  async function* stream<T>(source: () => AsyncIterable<T>): AsyncGenerator<T> {
    // To have read something, or not, is the same for the store.
    if (isFatal()) throw killed();
    yield* source();
  }
  return {
    url: inner.url,
    get died() {
      return calls >= call;
    },
    put: (...args) => once(() => inner.put(...args)),
    get: (...args) => stream(() => inner.get(...args)),
    head: (...args) => once(() => inner.head(...args)),
    list: (...args) => stream(() => inner.list(...args)),
    listNames: (...args) => stream(() => inner.listNames(...args)),
    delete: (...args) => once(() => inner.delete(...args)),
    close: () => inner.close(),
  };
}
