import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { HoldfastError, isCode } from '../domain/errors.ts';
import { type Attempt, once } from './attempt.ts';
import { abortable, inBuffers } from './body.ts';
import { checkKey, checkPrefix, reservedPrefix } from './keys.ts';
import { printable } from './location.ts';
import type { CallOptions, ObjectStore, StoredObject } from './object-store.ts';
import { createS3Connection, type S3Connection, type S3ConnectionOptions, sendOptions } from './s3-client.ts';
import { s3Error, statusOf } from './s3-errors.ts';
import { listNames, listObjects } from './s3-list.ts';
import { sha256Base64, uploadParts } from './s3-upload.ts';

export interface S3StoreOptions extends S3ConnectionOptions {
  readonly bucket: string;
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
type Body = Uint8Array | AsyncIterable<Uint8Array>;

/** State of one store. `base` is the prefix with its `/`. */
interface Context {
  readonly connection: S3Connection;
  readonly bucket: string;
  readonly base: string;
  readonly partBytes: number;
  readonly partConcurrency: number;
  readonly attemptPart: Attempt;
  /** Set once the bucket has answered: from then on a missing object is just that. */
  bucketSeen: boolean;
  /** Cleared when the server says that it does not know conditional writes. */
  conditional: boolean;
}

/**
 * An S3 bucket as an object store. Write-once is asked of the server (`If-None-Match: *`) and, since some servers ignore that, looked for
 * first; on those two writers at the same moment could both succeed, which `probeWriteOnce` tells. The bucket is never created.
 */
export function createS3Store(options: S3StoreOptions): S3Store {
  const { bucket, prefix = '' } = options;
  const context: Context = {
    connection: createS3Connection(options),
    bucket,
    base: prefix === '' ? '' : `${prefix}/`,
    partBytes: options.partBytes ?? 8 * 1024 * 1024,
    partConcurrency: options.partConcurrency ?? 4,
    attemptPart: options.attemptPart ?? once,
    bucketSeen: false,
    conditional: true,
  };
  return {
    url: printable({ ...options, kind: 's3', prefix }),
    put: async (key, body, call = {}) => {
      checkKey(key);
      return { bytes: await put(context, key, body, call) };
    },
    get: async function* (key, call = {}) {
      checkKey(key);
      yield* read(context, key, call.range, call.signal);
    },
    head: async (key, call = {}) => {
      checkKey(key);
      return await head(context, key, call);
    },
    list: async function* (listPrefix, call = {}) {
      checkPrefix(listPrefix);
      yield* listObjects(context.connection, { ...context, prefix: listPrefix, startAfter: call.startAfter, signal: call.signal });
    },
    listNames: async function* (listPrefix, call = {}) {
      checkPrefix(listPrefix);
      yield* listNames(context.connection, { ...context, prefix: listPrefix, signal: call.signal });
    },
    delete: async (key, call = {}) => {
      checkKey(key);
      await remove(context, key, call);
    },
    close: () => context.connection.close(),
    probeWriteOnce: call => probe(context, call ?? {}),
  };
}

async function put(context: Context, key: string, body: Body, call: CallOptions): Promise<number> {
  await refuseExisting(context, key, call);
  if (body instanceof Uint8Array) {
    if (body.length <= context.partBytes) return await putWhole(context, key, body, call);
    return await putParts(context, key, slices(body, context.partBytes), call);
  }
  const buffers = inBuffers(abortable(body, call.signal), context.partBytes);
  const first = await buffers.next();
  if (first.done === true) return await putWhole(context, key, new Uint8Array(0), call);
  if (first.value.length < context.partBytes) return await putWhole(context, key, first.value, call);
  return await putParts(context, key, startingWith(first.value, buffers), call);
}

function* slices(body: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function* startingWith(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** Forbidden is no answer: whoever may only write does not get to know what is there, and relies on the server's own refusal. */
async function refuseExisting(context: Context, key: string, call: CallOptions): Promise<void> {
  let found: StoredObject | undefined;
  try {
    found = await head(context, key, call);
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_FORBIDDEN')) throw thrown;
  }
  if (found !== undefined) throw new HoldfastError('STORE_EXISTS', `writing ${key}: it exists already`);
}

function putParts(
  context: Context,
  key: string,
  buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  call: CallOptions,
): Promise<number> {
  const { connection, bucket, base, conditional, partConcurrency, attemptPart } = context;
  const target = { bucket, objectKey: base + key, key, conditional };
  return uploadParts(connection, target, buffers, { concurrency: partConcurrency, attempt: attemptPart, signal: call.signal });
}

async function putWhole(context: Context, key: string, body: Uint8Array, call: CallOptions): Promise<number> {
  const request = { Bucket: context.bucket, Key: context.base + key, Body: body, ChecksumSHA256: sha256Base64(body) };
  const send = (conditional: boolean) =>
    context.connection.call(`writing ${key}`, call.signal, async (client, sdk) => {
      const command = new sdk.PutObjectCommand({ ...request, ...(conditional ? { IfNoneMatch: '*' } : {}) });
      return await client.send(command, sendOptions(call.signal)).catch((thrown: unknown) => {
        if (conditional && statusOf(thrown) === 501) return undefined;
        throw thrown;
      });
    });
  if ((await send(context.conditional)) === undefined) {
    context.conditional = false;
    await send(false);
  }
  return body.length;
}

async function* read(context: Context, key: string, range: Range | undefined, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const doing = `reading ${key}`;
  if (range !== undefined && range.end <= range.start) {
    if ((await head(context, key, signal === undefined ? {} : { signal })) !== undefined) return;
    throw new HoldfastError('STORE_NOT_FOUND', `${doing}: there is no such object`);
  }
  const request = { Bucket: context.bucket, Key: context.base + key, ...(range && { Range: `bytes=${range.start}-${range.end - 1}` }) };
  const answer = await context.connection.call(doing, signal, (client, sdk) =>
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
    throw s3Error(thrown, `${doing}, after ${bytes} bytes`);
  } finally {
    // A body that nobody reads to its end keeps its socket for ever.
    body.destroy();
  }
  if (answer.ContentLength !== undefined && bytes !== answer.ContentLength) {
    throw new HoldfastError('STORE_UNREACHABLE', `${doing}: the connection ended after ${bytes} of ${answer.ContentLength} bytes`);
  }
}

async function head(context: Context, key: string, { signal }: CallOptions): Promise<StoredObject | undefined> {
  try {
    const found = await context.connection.call(`looking for ${key}`, signal, (client, sdk) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: context.bucket, Key: context.base + key }), sendOptions(signal)),
    );
    context.bucketSeen = true;
    return { key, bytes: found.ContentLength ?? 0, modified: found.LastModified ?? new Date(0) };
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_NOT_FOUND')) throw thrown;
    await requireBucket(context, key, signal);
    return undefined;
  }
}

/** A HEAD answer has no body, so that a missing object and a missing bucket look the same: asked once, at the first object missed. */
async function requireBucket(context: Context, key: string, signal: AbortSignal | undefined): Promise<void> {
  if (context.bucketSeen) return;
  try {
    await context.connection.call(`looking for bucket ${context.bucket}`, signal, (client, sdk) =>
      client.send(new sdk.HeadBucketCommand({ Bucket: context.bucket }), sendOptions(signal)),
    );
    context.bucketSeen = true;
  } catch (thrown) {
    if (isCode(thrown, 'STORE_FORBIDDEN')) return;
    if (!isCode(thrown, 'STORE_NOT_FOUND', 'STORE_BUCKET_MISSING')) throw thrown;
    throw new HoldfastError('STORE_BUCKET_MISSING', `looking for ${key}: there is no bucket ${context.bucket}`);
  }
}

async function remove(context: Context, key: string, { signal }: CallOptions): Promise<void> {
  try {
    await context.connection.call(`deleting ${key}`, signal, (client, sdk) =>
      client.send(new sdk.DeleteObjectCommand({ Bucket: context.bucket, Key: context.base + key }), sendOptions(signal)),
    );
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_NOT_FOUND')) throw thrown;
  }
}

async function probe(context: Context, call: CallOptions): Promise<'enforced' | 'ignored'> {
  const key = `${reservedPrefix}probe-${randomBytes(8).toString('hex')}`;
  try {
    await putWhole(context, key, Buffer.from('1'), call);
    await putWhole(context, key, Buffer.from('2'), call);
    return 'ignored';
  } catch (thrown) {
    if (isCode(thrown, 'STORE_EXISTS')) return 'enforced';
    throw thrown;
  } finally {
    await remove(context, key, {}).catch(() => {});
  }
}
