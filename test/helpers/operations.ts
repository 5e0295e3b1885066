import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningKey } from '../../src/crypto/signing.ts';
import type { ClusterIdentity } from '../../src/domain/cluster-identity.ts';
import type { Fence } from '../../src/domain/fence.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import type { Submission, Work, WorkResult } from '../../src/operations/job.ts';
import { createOperations, type Operations } from '../../src/operations/operations.ts';
import { initRepository, type Repository } from '../../src/repository/repository.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { wrapStore } from '../contract/repository-fixture.ts';
import { testRuntime } from './runtime.ts';

export const open: Fence = { check: () => {} };
export const done: WorkResult = { phase: 'Completed', summary: { objects: 3 } };
export const asked: Submission = {
  kind: 'backup',
  subject: 'daily',
  actor: { name: 'alice', via: 'api' },
  parameters: { tier: 'daily' },
};

/** A job that waits until it is told to go on, or is stopped; a `deaf` one does not listen. */
export function held(result: WorkResult = done, deaf = false) {
  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<WorkResult>();
  const work: Work = ({ signal }) => {
    started.resolve();
    if (deaf) return gate.promise;
    const stopped = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      // It may have been told before it began.
      if (signal.aborted) reject(signal.reason);
    });
    return Promise.race([gate.promise, stopped]);
  };
  return { work, started: started.promise, finish: () => gate.resolve(result) };
}

export interface EngineChanges {
  readonly change?: (store: ObjectStore) => Partial<ObjectStore>;
  readonly store?: ObjectStore;
  readonly most?: number;
  readonly fence?: () => Fence | undefined;
  readonly runtime?: Partial<Runtime>;
  readonly cluster?: ClusterIdentity;
}

/** A repository in a folder of its own, and engines over it: each stands for one process. */
export interface OperationsWorld {
  readonly dir: string;
  readonly store: ObjectStore;
  readonly repository: Repository;
  engine(changes?: EngineChanges): Operations;
  /** Text of a file of an operation. */
  onDisk(id: string, file: string): Promise<string>;
  /** Ends all engines, and deletes the folder. */
  remove(): Promise<void>;
}

export async function openOperationsWorld(): Promise<OperationsWorld> {
  const dir = await tempDir('operations');
  const store = createFileStore(dir);
  const signingPublicKey = generateSigningKey().publicPem;
  const repository = await initRepository(store, { recipients: [], insecurePlaintext: true, signingPublicKey, runtime: testRuntime });
  const engines: Operations[] = [];
  return {
    dir,
    store,
    repository,
    engine: changes => {
      const own = changes?.store ?? wrapStore(store, changes?.change?.(store) ?? {});
      const made = createOperations({
        repository: { ...repository, store: own },
        runtime: { ...testRuntime, ...changes?.runtime },
        most: changes?.most ?? 2,
        fence: changes?.fence ?? (() => open),
        cluster: () => changes?.cluster,
      });
      engines.push(made);
      return made;
    },
    onDisk: (id, file) => readFile(join(dir, 'operations', id, file), 'utf8'),
    remove: async () => {
      await Promise.all(engines.map(one => one.drain(0)));
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Sleeps that end when the test says so, and never by themselves. */
export function heldSleeps() {
  const sleeping = new Set<{ readonly ms: number; readonly wake: () => void }>();
  const asleep = new Set<{ readonly ms: number; readonly resolve: () => void }>();
  const sleep: Runtime['sleep'] = (ms, signal) =>
    new Promise((resolve, reject) => {
      const one = {
        ms,
        wake: () => {
          sleeping.delete(one);
          resolve();
        },
      };
      sleeping.add(one);
      signal?.addEventListener('abort', () => {
        sleeping.delete(one);
        reject(signal.reason);
      });
      if (signal?.aborted) reject(signal.reason);
      for (const waiter of asleep) if (waiter.ms === ms) waiter.resolve();
    });
  return {
    sleep,
    /** Resolves when somebody sleeps for so long. */
    seen: (ms: number): Promise<void> => {
      if ([...sleeping].some(one => one.ms === ms)) return Promise.resolve();
      return new Promise(resolve => asleep.add({ ms, resolve }));
    },
    wake: (ms: number): void => {
      for (const one of [...sleeping]) if (one.ms === ms) one.wake();
    },
  };
}
