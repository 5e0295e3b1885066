import { HoldfastError } from '../../src/domain/errors.ts';
import { openLedger } from '../../src/repository/ledger.ts';
import { runtime as clock, type TestRepository, wrapStore } from '../contract/repository-fixture.ts';
import { testRuntime } from './runtime.ts';

/** The ledger of a service whose store does not take what it is given as long as `isRefused` says so; its pauses take no time. */
export function refusingLedger({ repository, keys }: TestRepository, isRefused: () => boolean) {
  const runtime = { ...testRuntime, ...clock, sleep: async () => {} };
  const store = wrapStore(repository.store, {
    put: (key, body, options) => {
      if (isRefused()) throw new HoldfastError('STORE_UNREACHABLE', 'it is away');
      return repository.store.put(key, body, options);
    },
  });
  return { runtime, ledger: openLedger({ ...repository, store }, { signingKey: keys.privatePem, trusted: [keys.publicPem], runtime }) };
}
