import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { fileKey } from './layout.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The options that a store takes: without a key where there is no signal. */
export function withSignal({ signal }: CallOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** A whole object of at most `limit` bytes; undefined when there is none. BACKUP_CORRUPT when it is larger. */
export async function readBytes(store: ObjectStore, key: string, limit: number, options: CallOptions): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of store.get(key, withSignal(options))) {
      bytes += chunk.length;
      if (bytes > limit) throw new HoldfastError('BACKUP_CORRUPT', `${key} is larger than the ${limit} bytes it should have at most`);
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (isCode(thrown, 'STORE_NOT_FOUND')) return undefined;
    throw thrown;
  }
  return Buffer.concat(chunks, bytes);
}

/** A file of a set as its manifest describes it. BACKUP_CORRUPT when it is missing or one bit of it differs. */
export async function readSetFile(
  store: ObjectStore,
  id: string,
  record: { readonly name: string; readonly bytes: number; readonly sha256: string },
  options: CallOptions,
): Promise<Buffer> {
  const key = fileKey(id, record.name);
  const bytes = await readBytes(store, key, record.bytes, options);
  if (bytes === undefined) throw new HoldfastError('BACKUP_CORRUPT', `${key} is missing`);
  if (bytes.length !== record.bytes) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} has ${bytes.length} bytes instead of ${record.bytes}`);
  }
  if (sha256Hex(bytes) !== record.sha256)
    throw new HoldfastError('BACKUP_CORRUPT', `${key} does not have the digest that its manifest names`);
  return bytes;
}
