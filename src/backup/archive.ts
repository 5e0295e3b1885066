import { Worker } from 'node:worker_threads';
import type { BatchMemory, ItemBatch } from '../cluster/cluster-api.ts';
import type { IndexRecord, ShardRecord } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { releaseMemory } from '../repository/release-memory.ts';
import type { ArchiveSettings, ClaimRef, FromWorker, ItemsKind, KindTally, ToWorker } from './archive-protocol.ts';
import { createBatchPool } from './batch-pool.ts';

/** Batches under way to the worker: enough to keep it busy, few enough to keep memory flat. */
const mostUnderWay = 6;

export interface ArchiveResult {
  /** In the order of the settings' kinds. */
  readonly tallies: readonly KindTally[];
  readonly claims: readonly ClaimRef[];
  readonly shards: readonly ShardRecord[];
  readonly index: readonly IndexRecord[];
}

export interface Archive {
  /** For the batches that are added: what was packed is used again. */
  readonly memory: BatchMemory;
  /** Takes a batch over (its buffer is moved away); resolves when there is room for the next. */
  add(kind: number, attempt: number, items: ItemsKind, batch: ItemBatch): Promise<void>;
  /** Resolves when everything is sealed and stored. */
  finish(): Promise<ArchiveResult>;
  /** Stops the worker; safe to call at any time, and again. */
  close(): Promise<void>;
}

export interface ArchiveSink {
  /** Stores one file of the set: `name` below the set's prefix. */
  readonly store: (name: string, bytes: Uint8Array) => Promise<void>;
  /** Called as objects are packed; totals so far. */
  readonly onPacked: (objects: number, bytes: number) => void;
}

/** Packing, compressing and sealing in a thread of their own, storing from this one. */
export function openArchive(settings: ArchiveSettings, sink: ArchiveSink): Archive {
  const file = import.meta.url.endsWith('.ts') ? './archive-worker.ts' : './archive-worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { workerData: settings, resourceLimits: { maxYoungGenerationSizeMb: 8 } });
  const shards: ShardRecord[] = [];
  const index: IndexRecord[] = [];
  const waiting: (() => void)[] = [];
  const pool = createBatchPool(mostUnderWay);
  const storing = new Set<Promise<void>>();
  let underWay = 0;
  let objects = 0;
  let bytes = 0;
  let failure: unknown;
  let packed = false;
  const done = Promise.withResolvers<Extract<FromWorker, { type: 'done' }>>();
  done.promise.catch(() => {});

  const fail = (error: unknown): void => {
    failure ??= error;
    done.reject(failure);
    for (const wake of waiting.splice(0)) wake();
  };
  const post = (message: ToWorker, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const storeFile = (name: string, content: Uint8Array): void => {
    const stored = sink.store(name, content).then(() => {
      releaseMemory(content);
      post({ type: 'stored' });
    }, fail);
    storing.add(stored);
    void stored.finally(() => storing.delete(stored));
  };

  worker.on('message', (message: FromWorker) => {
    if (message.type === 'taken') {
      underWay--;
      pool.give(message.buffer);
      objects += message.objects;
      bytes += message.bytes;
      sink.onPacked(objects, bytes);
      waiting.shift()?.();
    } else if (message.type === 'shard') {
      shards.push(message.record);
      storeFile(message.record.name, message.bytes);
    } else if (message.type === 'index') {
      index.push(message.record);
      storeFile(message.record.name, message.bytes);
    } else if (message.type === 'failed') fail(new HoldfastError(message.code, message.message));
    else {
      packed = true;
      done.resolve(message);
    }
  });
  worker.on('error', error => fail(error));
  worker.on('exit', code => {
    if (!packed) fail(new HoldfastError('INTERNAL', `the archive worker stopped early with code ${code}`));
  });

  return {
    memory: pool,
    add: async (kind, attempt, items, batch) => {
      while (failure === undefined && underWay >= mostUnderWay) await new Promise<void>(resolve => waiting.push(resolve));
      if (failure !== undefined) throw failure;
      underWay++;
      post({ type: 'items', items, kind, attempt, buffer: batch.buffer, ends: batch.ends }, [batch.buffer.buffer]);
    },
    finish: async () => {
      post({ type: 'finish' });
      const { tallies, claims } = await done.promise;
      while (storing.size > 0) await Promise.all(storing);
      if (failure !== undefined) throw failure;
      const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
      return { tallies, claims, shards: shards.sort(byName), index: index.sort(byName) };
    },
    close: async () => {
      await worker.terminate();
    },
  };
}
