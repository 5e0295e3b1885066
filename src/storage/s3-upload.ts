import { createHash, hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Attempt } from './attempt.ts';
import { sendOptions } from './s3-client.ts';
import { statusOf } from './s3-errors.ts';
import type { S3Bucket } from './s3-head.ts';

/** Where an upload goes. `conditional`: the server is asked to refuse when the key is taken. */
export interface UploadStore extends S3Bucket {
  conditional: boolean;
}

export interface UploadOptions {
  /** Parts under way at a time: each keeps its buffer in memory. */
  readonly concurrency: number;
  /** How often one part is tried. */
  readonly attempt: Attempt;
  readonly signal?: AbortSignal | undefined;
  /** Told of each buffer whose part has arrived. */
  readonly onStored?: (buffer: Uint8Array) => void;
}

interface Upload extends UploadOptions {
  readonly store: UploadStore;
  readonly key: string;
  readonly id: string;
}

const maxParts = 10_000;

export function sha256Base64(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64');
}

/** Sends a write that must not replace anything; to a server that does not know how (HTTP 501), from then on, a plain one. */
export async function conditionally<T>(
  store: { conditional: boolean },
  send: (condition: { readonly IfNoneMatch?: '*' }) => Promise<T>,
): Promise<T> {
  if (store.conditional) {
    try {
      return await send({ IfNoneMatch: '*' });
    } catch (thrown) {
      if (statusOf(thrown) !== 501) throw thrown;
      store.conditional = false;
    }
  }
  return await send({});
}

/**
 * Uploads an object in parts, each a buffer of the same size (the last may be smaller), which is what allows a part to be sent again.
 * Nothing is visible before the end; whatever goes wrong, the parts already sent are given up. Resolves with the size in bytes.
 */
export async function uploadParts(
  store: UploadStore,
  key: string,
  buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: UploadOptions,
): Promise<number> {
  const id = await options.attempt(() => createUpload(store, key, options.signal), options.signal);
  const upload = { ...options, store, key, id };
  let completed = false;
  try {
    const { parts, bytes } = await sendParts(upload, buffers);
    await complete(upload, parts, bytes);
    completed = true;
    return bytes;
  } finally {
    if (!completed) await abandonUpload(store, key, id);
  }
}

export async function createUpload(store: S3Bucket, key: string, signal: AbortSignal | undefined): Promise<string> {
  const doing = `starting the upload of ${key}`;
  const request = { Bucket: store.bucket, Key: store.base + key, ChecksumAlgorithm: 'SHA256' } as const;
  const answer = await store.connection.call(doing, signal, (client, sdk) =>
    client.send(new sdk.CreateMultipartUploadCommand(request), sendOptions(signal)),
  );
  if (answer.UploadId === undefined) throw new HoldfastError('STORE_ERROR', `${doing}: the store gave no upload id`);
  return answer.UploadId;
}

async function sendParts(
  upload: Upload,
  buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ parts: CompletedPart[]; bytes: number }> {
  const underWay = new Set<Promise<void>>();
  const parts: CompletedPart[] = [];
  let bytes = 0;
  try {
    for await (const buffer of buffers) {
      const number = parts.push({});
      if (number > maxParts) throw new HoldfastError('STORE_FULL', `writing ${upload.key}: it is larger than ${maxParts} parts`);
      bytes += buffer.length;
      const sent = sendPart(upload, number, buffer).then(part => {
        parts[number - 1] = part;
        underWay.delete(sent);
        upload.onStored?.(buffer);
      });
      sent.catch(() => {});
      underWay.add(sent);
      if (underWay.size >= upload.concurrency) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return { parts, bytes };
  } finally {
    // Not cut off: a part that arrives after the upload was given up can bring it back to life on some servers.
    await Promise.allSettled(underWay);
  }
}

async function sendPart({ store, key, id, attempt, signal }: Upload, number: number, body: Uint8Array): Promise<CompletedPart> {
  const checksum = sha256Base64(body);
  const request = { Bucket: store.bucket, Key: store.base + key, UploadId: id, PartNumber: number, Body: body, ChecksumSHA256: checksum };
  const answer = await attempt(
    () =>
      store.connection.call(`writing part ${number} of ${key}`, signal, (client, sdk) =>
        client.send(new sdk.UploadPartCommand(request), sendOptions(signal)),
      ),
    signal,
  );
  return { PartNumber: number, ETag: answer.ETag, ChecksumSHA256: checksum };
}

async function complete(upload: Upload, parts: CompletedPart[], bytes: number): Promise<void> {
  const { store, key, id, attempt, signal } = upload;
  const request = { Bucket: store.bucket, Key: store.base + key, UploadId: id, MultipartUpload: { Parts: parts } };
  let tries = 0;
  try {
    await attempt(() => {
      tries += 1;
      return store.connection.call(`finishing the upload of ${key}`, signal, (client, sdk) =>
        conditionally(store, condition =>
          client.send(new sdk.CompleteMultipartUploadCommand({ ...request, ...condition }), sendOptions(signal)),
        ),
      );
    }, signal);
  } catch (thrown) {
    // The answer to an earlier try was lost, but the store had done it.
    if (tries > 1 && isCode(thrown, 'STORE_EXISTS', 'STORE_NOT_FOUND') && (await isOurs(upload, parts, bytes))) return;
    throw thrown;
  }
}

/** The checksum of an object in parts is one over the checksums of its parts: the same bytes in the same pieces. */
async function isOurs({ store, key, signal }: Upload, parts: CompletedPart[], bytes: number): Promise<boolean> {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(Buffer.from(part.ChecksumSHA256 ?? '', 'base64'));
  const expected = `${digest.digest('base64')}-${parts.length}`;
  const request = { Bucket: store.bucket, Key: store.base + key, ChecksumMode: 'ENABLED' } as const;
  try {
    const found = await store.connection.call(`looking for ${key}`, signal, (client, sdk) =>
      client.send(new sdk.HeadObjectCommand(request), sendOptions(signal)),
    );
    return found.ContentLength === bytes && found.ChecksumSHA256 === expected;
  } catch {
    return false;
  }
}

/**
 * Gives up an upload. A part whose sending was aborted can still be stored after the first request to give up, so that it is asked until
 * the store knows the upload no more, for a second at most; what then remains a lifecycle rule cleans up. Never fails: the error that led
 * here is the one to report. Without the caller's signal, which may be aborted already.
 */
export async function abandonUpload(store: S3Bucket, key: string, id: string): Promise<void> {
  const request = { Bucket: store.bucket, Key: store.base + key, UploadId: id };
  for (const pause of [0, 50, 150, 300, 500]) {
    await sleep(pause);
    const gone = await store.connection
      .call(`giving up the upload of ${key}`, undefined, async (client, sdk) => {
        await client.send(new sdk.AbortMultipartUploadCommand(request));
        await client.send(new sdk.ListPartsCommand(request));
        return false;
      })
      // Not found is what it ought to be; whoever may not ask will not learn more by asking again.
      .catch((thrown: unknown) => isCode(thrown, 'STORE_NOT_FOUND', 'STORE_FORBIDDEN'));
    if (gone) return;
  }
}
