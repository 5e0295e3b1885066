import type { IndexRecord, ShardRecord } from '../domain/backup-set.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Selection } from '../domain/selection.ts';

/** What the archive worker is started with. It gets public keys only. */
export interface ArchiveSettings {
  readonly kinds: readonly ResourceKind[];
  readonly selection: Selection;
  readonly recipients: readonly string[];
  readonly sealIndex: boolean;
  /** 32 random bytes: keys the digests of Secrets. */
  readonly digestKey: Uint8Array;
}

/** `list`: as listed. The others are late changes, as watched; the JSON of a deleted object still says which it was. */
export type ItemsKind = 'list' | 'added' | 'modified' | 'deleted';

/** Main thread to worker. `kind` is a position in `kinds`; buffers are transferred, not copied. */
export type ToWorker =
  | {
      readonly type: 'items';
      readonly items: ItemsKind;
      readonly kind: number;
      /** 1 for the first reading of the kind; a higher one makes the earlier ones void. */
      readonly attempt: number;
      readonly buffer: Uint8Array<ArrayBuffer>;
      readonly ends: readonly number[];
    }
  /** One file that the worker handed over is stored. */
  | { readonly type: 'stored' }
  | { readonly type: 'finish' };

/** What became of one kind. */
export interface KindTally {
  /** Objects in the set. */
  readonly count: number;
  /** Bytes of JSON archived, late changes included. */
  readonly bytes: number;
  /** Objects left out, by reason. */
  readonly excluded: Readonly<Record<string, number>>;
}

/** Worker to main thread. `shard` and `index` are answered with `stored`; `taken` returns the credit and the memory of one `items` message. */
export type FromWorker =
  | { readonly type: 'taken'; readonly objects: number; readonly bytes: number; readonly buffer: Uint8Array<ArrayBuffer> }
  | { readonly type: 'shard'; readonly record: ShardRecord; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'index'; readonly record: IndexRecord; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'failed'; readonly message: string; readonly code: ErrorCode }
  | { readonly type: 'done'; readonly tallies: readonly KindTally[]; readonly claims: readonly ClaimRef[] };

export interface ClaimRef {
  readonly namespace: string;
  readonly name: string;
}
