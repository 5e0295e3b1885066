import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { ErrorCode } from '../../src/domain/errors.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

export async function keysOf(store: ObjectStore, prefix = '', startAfter?: string): Promise<string[]> {
  return (await all(store.list(prefix, startAfter === undefined ? {} : { startAfter }))).map(object => object.key);
}

export const withCode = (code: ErrorCode) => expect.objectContaining({ code });

/** Bytes without end in sight and without memory of their own: slices of one pattern. */
const pattern = randomBytes(128 * 1024);
export async function* patterned(bytes: number, each: () => void = () => {}): AsyncGenerator<Uint8Array> {
  const size = 64 * 1024;
  for (let at = 0; at < bytes; at += size) {
    each();
    const from = (at / size) % size;
    yield pattern.subarray(from, from + Math.min(size, bytes - at));
  }
}

export async function digest(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  return hash.digest('hex');
}

export const MiB = 1024 * 1024;
