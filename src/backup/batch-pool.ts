import type { BatchMemory } from '../cluster/cluster-api.ts';

/** Memory that comes back when a batch was packed. */
export interface BatchPool extends BatchMemory {
  /** The view may be of a part; the whole memory behind it is taken back. */
  give(buffer: Uint8Array<ArrayBuffer>): void;
}

/** Keeps up to `most` buffers of the size that is asked for first: the usual one, which only a huge object exceeds. */
export function createBatchPool(most: number): BatchPool {
  const spare: Uint8Array<ArrayBuffer>[] = [];
  let usual: number | undefined;
  return {
    take: bytes => {
      usual ??= bytes;
      return (bytes === usual ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
    },
    give: ({ buffer }) => {
      if (buffer.byteLength === usual && spare.length < most) spare.push(new Uint8Array(buffer));
    },
  };
}
