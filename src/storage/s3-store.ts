import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { HoldfastError, isCode } from '../domain/errors.ts';
import { type Attempt, once } from './attempt.ts';
import { abortable } from './body.ts';
import { checkKey, checkPrefix, reservedPrefix } from './keys.ts';
import { printable } from './location.ts';
import type { CallOptions, ObjectStore, StoredObject } from './object-store.ts';
import { createS3Connection, type S3ConnectionOptions, sendOptions } from './s3-client.ts';
import { s3Error, statusOf } from './s3-errors.ts';
import { find, mayBeVersioned, type S3Bucket } from './s3-head.ts';
import { listNames, listObjects } from './s3-list.ts';
import { put, putWhole, type S3Writer } from './s3-put.ts';

export interface S3StoreOptions extends S3ConnectionOptions {
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix?: string;
  /** Bodies beyond this go up in parts of this size, in bytes; 8 MiB unless told, 5 MiB at least. 10,000 of them are the largest object. */
  readonly partBytes?: number;
  /** Parts of one object under way at a time; 4 unless told. A streamed put holds that many buffers, and the one being filled. */
  readonly partConcurrency?: number;
  /** How one part is tried; once unless told. Whole calls are for the retry decorator, which cannot rewind a stream. */
  readonly attemptPart?: Attempt;
}

export interface S3Store extends ObjectStore {
  /**
   * Does the server refuse to overwrite by itself? Writes a small object twice below the location, and deletes it where that is allowed.
   * `ignored` means that only the look before each put protects a key, and two writers at the same moment could both succeed.
   */
  probeWriteOnce(options?: CallOptions): Promise<'enforced' | 'ignored'>;
}

type Range = { readonly start: number; readonly end: number };

/**
 * An S3 bucket as an object store. Write-once is asked of the server (`If-None-Match: *`) and, since some servers ignore that, looked for
 * first; on those two writers at the same moment could both succeed, which `probeWriteOnce` tells. The bucket is never created.
 */
export function createS3Store(options: S3StoreOptions): S3Store {
  const { bucket, prefix = '' } = options;
  const store: S3Writer = {
    connection: createS3Connection(options),
    bucket,
    base: prefix === '' ? '' : `${prefix}/`,
    partBytes: options.partBytes ?? 8 * 1024 * 1024,
    partConcurrency: options.partConcurrency ?? 4,
    attemptPart: options.attemptPart ?? once,
    bucketSeen: false,
    versioned: options.endpoint === undefined ? false : undefined,
    conditional: true,
  };
  return {
    url: printable({ ...options, kind: 's3', prefix }),
    put: async (key, body, call = {}) => {
      checkKey(key);
      return { bytes: await put(store, key, body, call.signal) };
    },
    get: async function* (key, call = {}) {
      checkKey(key);
      yield* read(store, key, call.range, call.signal);
    },
    head: async (key, call = {}) => {
      checkKey(key);
      return await head(store, key, call.signal);
    },
    list: async function* (listPrefix, call = {}) {
      checkPrefix(listPrefix);
      const request = { ...store, prefix: listPrefix, startAfter: call.startAfter, signal: call.signal };
      yield* abortable(listObjects(store.connection, request), call.signal);
    },
    listNames: async function* (listPrefix, call = {}) {
      checkPrefix(listPrefix);
      const request = { ...store, prefix: listPrefix, startAfter: call.startAfter, signal: call.signal };
      yield* abortable(
        listNames(store.connection, request, () => mayBeVersioned(store, call.signal)),
        call.signal,
      );
    },
    delete: async (key, call = {}) => {
      checkKey(key);
      await remove(store, key, call);
    },
    close: () => store.connection.close(),
    probeWriteOnce: call => probe(store, call ?? {}),
  };
}

async function* read(store: S3Writer, key: string, range: Range | undefined, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const doing = `reading ${key}`;
  if (range !== undefined && range.end <= range.start) {
    if ((await head(store, key, signal)) !== undefined) return;
    throw new HoldfastError('STORE_NOT_FOUND', `${doing}: there is no such object`);
  }
  const request = { Bucket: store.bucket, Key: store.base + key, ...(range && { Range: `bytes=${range.start}-${range.end - 1}` }) };
  const answer = await store.connection.call(doing, signal, (client, sdk) =>
    client.send(new sdk.GetObjectCommand(request), sendOptions(signal)).catch((thrown: unknown) => {
      if (range !== undefined && statusOf(thrown) === 416) return undefined;
      throw thrown;
    }),
  );
  if (answer === undefined) return;
  const body = answer.Body as Readable | undefined;
  if (body === undefined) throw new HoldfastError('STORE_ERROR', `${doing}: the answer has no body`);
  let bytes = 0;
  try {
    for await (const chunk of abortable(body as AsyncIterable<Uint8Array>, signal)) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (thrown) {
    signal?.throwIfAborted();
    throw s3Error(thrown, `${doing}, after ${bytes} bytes`, store.bucket);
  } finally {
    // A body that nobody reads to its end keeps its socket for ever.
    body.destroy();
  }
  if (answer.ContentLength !== undefined && bytes !== answer.ContentLength) {
    throw new HoldfastError('STORE_UNREACHABLE', `${doing}: the connection ended after ${bytes} of ${answer.ContentLength} bytes`);
  }
}

async function head(store: S3Bucket, key: string, signal: AbortSignal | undefined): Promise<StoredObject | undefined> {
  const found = await find(store, key, signal);
  if ('refused' in found) throw found.refused;
  return found.object;
}

async function remove(store: S3Writer, key: string, { signal }: CallOptions): Promise<void> {
  try {
    await store.connection.call(`deleting ${key}`, signal, (client, sdk) =>
      client.send(new sdk.DeleteObjectCommand({ Bucket: store.bucket, Key: store.base + key }), sendOptions(signal)),
    );
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_NOT_FOUND')) throw thrown;
  }
}

async function probe(store: S3Writer, call: CallOptions): Promise<'enforced' | 'ignored'> {
  const key = `${reservedPrefix}probe-${randomBytes(8).toString('hex')}`;
  try {
    await putWhole(store, key, Buffer.from('1'), call.signal);
    await putWhole(store, key, Buffer.from('2'), call.signal);
    return 'ignored';
  } catch (thrown) {
    if (isCode(thrown, 'STORE_EXISTS')) return 'enforced';
    throw thrown;
  } finally {
    await remove(store, key, {}).catch(() => {});
  }
}
