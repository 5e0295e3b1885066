import type { ResourceKind } from '../domain/resource.ts';
import type { BatchMemory, ItemBatch } from './cluster-api.ts';
import { itemHead } from './item-head.ts';

/** Bytes of a batch; one with a bigger item is bigger. */
export const batchBytes = 512 * 1024;

/** Copies items, which may come in pieces, into batches. */
export interface BatchBuilder {
  /** Adds bytes of the item that is being copied. */
  add(chunk: Uint8Array, from: number, to: number): void;
  /** The bytes added since the last call are one object. Returns a batch when one is full. */
  endItem(): ItemBatch | undefined;
  /** What is left, without an item that did not end. */
  flush(): ItemBatch | undefined;
}

export function createBatchBuilder(kind: ResourceKind, size = batchBytes, memory: BatchMemory = ownMemory): BatchBuilder {
  const head = itemHead(kind);
  let buffer = empty;
  let used = 0;
  let itemStart = 0;
  let ends: number[] = [];
  let ready: ItemBatch | undefined;

  /** Makes room for `more` bytes of the current item; complete items in front of it go out as a batch of their own. */
  function reserve(more: number): void {
    if (used + more <= buffer.length) return;
    const partial = buffer.subarray(itemStart, used);
    const needed = partial.length + more;
    const next = memory.take(needed > size ? 2 * needed : size);
    next.set(partial);
    if (ends.length > 0) {
      ready = { buffer: buffer.subarray(0, itemStart), ends };
      ends = [];
    }
    buffer = next;
    used = partial.length;
    itemStart = 0;
  }

  function complete(): void {
    const missing = head.missing(buffer.subarray(itemStart, used));
    if (missing.length > 0) {
      reserve(missing.length);
      buffer.copyWithin(itemStart + 1 + missing.length, itemStart + 1, used);
      buffer.set(missing, itemStart + 1);
      used += missing.length;
    }
    ends.push(used);
    itemStart = used;
  }

  return {
    add(chunk, from, to) {
      reserve(to - from);
      buffer.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), used);
      used += to - from;
    },
    endItem() {
      complete();
      const batch = ready;
      ready = undefined;
      return batch;
    },
    flush() {
      if (ends.length === 0) return undefined;
      const batch = { buffer: buffer.subarray(0, itemStart), ends };
      buffer = empty;
      ends = [];
      used = 0;
      itemStart = 0;
      return batch;
    },
  };
}

const empty = new Uint8Array(0);

/** Not shared, so that a batch can be transferred; not cleared, for every byte handed out was written. */
const ownMemory: BatchMemory = { take: bytes => Buffer.allocUnsafeSlow(bytes) };
