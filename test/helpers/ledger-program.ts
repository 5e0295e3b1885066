import { openLedger } from '../../src/repository/ledger.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { defaultRetryPolicy } from '../../src/storage/attempt.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import { withRetry } from '../../src/storage/retry.ts';
import { createS3Store, type S3StoreOptions } from '../../src/storage/s3-store.ts';
import { testRuntime } from './runtime.ts';

// One process that adds to a ledger, beside others that do the same.

export interface AppenderSetup {
  readonly name: string;
  readonly signingKey: string;
  readonly entries: number;
  readonly store: { readonly dir: string } | S3StoreOptions;
}

const setup = JSON.parse(process.argv[2]!) as AppenderSetup;
const store = withRetry(
  'dir' in setup.store ? createFileStore(setup.store.dir) : createS3Store(setup.store),
  defaultRetryPolicy,
  testRuntime,
);
const ledger = openLedger(await openRepository(store), { signingKey: setup.signingKey, runtime: testRuntime });
process.stdout.write('ready\n');
// So that all begin at the same moment.
for await (const _ of process.stdin) break;
for (let i = 0; i < setup.entries; i++) {
  const actor = { name: setup.name, via: 'service' } as const;
  const { seq } = await ledger.append({ action: 'verify.ended', actor, subject: `${setup.name}-${i}`, details: {} });
  process.stdout.write(`${seq}\n`);
}
await store.close();
process.exit(0);
