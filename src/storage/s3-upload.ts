import { createHash, hash } from 'node:crypto';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Attempt } from './attempt.ts';
import { type S3Connection, sendOptions } from './s3-client.ts';

/** Where an upload goes. */
export interface UploadTarget {
  readonly bucket: string;
  /** With the location's prefix. */
  readonly objectKey: string;
  /** As the caller knows it, for messages. */
  readonly key: string;
  /** Ask the server to refuse when the key is taken. */
  readonly conditional: boolean;
}

interface Upload {
  readonly connection: S3Connection;
  readonly target: UploadTarget;
  readonly uploadId: string;
  readonly attempt: Attempt;
}

export interface UploadOptions {
  /** Parts under way at a time: each keeps its buffer in memory. */
  readonly concurrency: number;
  /** How often one part is tried. */
  readonly attempt: Attempt;
  readonly signal?: AbortSignal | undefined;
}

const maxParts = 10_000;

export function sha256Base64(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64');
}

/**
 * Uploads an object in parts, each a buffer of the same size (the last may be smaller), which is what allows a part to be sent again.
 * Nothing is visible before the end; whatever goes wrong, the parts already sent are given up. Resolves with the size in bytes.
 */
export async function uploadParts(
  connection: S3Connection,
  target: UploadTarget,
  buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: UploadOptions,
): Promise<number> {
  const upload = { connection, target, uploadId: await createUpload(connection, target, options), attempt: options.attempt };
  let completed = false;
  try {
    const { parts, bytes } = await sendParts(upload, buffers, options);
    await complete(upload, parts, bytes, options.signal);
    completed = true;
    return bytes;
  } finally {
    if (!completed) await abandon(upload);
  }
}

async function createUpload(connection: S3Connection, { bucket, objectKey, key }: UploadTarget, options: UploadOptions): Promise<string> {
  const { signal } = options;
  const answer = await options.attempt(
    () =>
      connection.call(`starting the upload of ${key}`, signal, (client, sdk) =>
        client.send(
          new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key: objectKey, ChecksumAlgorithm: 'SHA256' }),
          sendOptions(signal),
        ),
      ),
    signal,
  );
  if (answer.UploadId === undefined) throw new HoldfastError('STORE_ERROR', `starting the upload of ${key}: the store gave no upload id`);
  return answer.UploadId;
}

async function sendParts(
  upload: Upload,
  buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { concurrency, signal }: UploadOptions,
): Promise<{ parts: CompletedPart[]; bytes: number }> {
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const underWay = new Set<Promise<void>>();
  const parts: CompletedPart[] = [];
  let bytes = 0;
  try {
    for await (const buffer of buffers) {
      const number = parts.length + 1;
      if (number > maxParts) throw new HoldfastError('STORE_ERROR', `writing ${upload.target.key}: it is larger than ${maxParts} parts`);
      parts.push({ PartNumber: number });
      bytes += buffer.length;
      const sent = sendPart(upload, number, buffer, either).then(part => {
        parts[number - 1] = part;
      });
      const tracked = sent.finally(() => underWay.delete(tracked));
      tracked.catch(() => {});
      underWay.add(tracked);
      if (underWay.size >= concurrency) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return { parts, bytes };
  } catch (thrown) {
    failed.abort();
    await Promise.allSettled(underWay);
    throw thrown;
  }
}

async function sendPart(upload: Upload, number: number, body: Uint8Array, signal: AbortSignal): Promise<CompletedPart> {
  const { bucket, objectKey, key } = upload.target;
  const checksum = sha256Base64(body);
  const request = { Bucket: bucket, Key: objectKey, UploadId: upload.uploadId, PartNumber: number, Body: body, ChecksumSHA256: checksum };
  const answer = await upload.attempt(
    () =>
      upload.connection.call(`writing part ${number} of ${key}`, signal, (client, sdk) =>
        client.send(new sdk.UploadPartCommand(request), sendOptions(signal)),
      ),
    signal,
  );
  return { PartNumber: number, ETag: answer.ETag, ChecksumSHA256: checksum };
}

async function complete(upload: Upload, parts: CompletedPart[], bytes: number, signal: AbortSignal | undefined): Promise<void> {
  const { bucket, objectKey, key, conditional } = upload.target;
  const request = { Bucket: bucket, Key: objectKey, UploadId: upload.uploadId, MultipartUpload: { Parts: parts } };
  let attempts = 0;
  try {
    await upload.attempt(() => {
      attempts += 1;
      return upload.connection.call(`finishing the upload of ${key}`, signal, (client, sdk) =>
        client.send(
          new sdk.CompleteMultipartUploadCommand({ ...request, ...(conditional ? { IfNoneMatch: '*' } : {}) }),
          sendOptions(signal),
        ),
      );
    }, signal);
  } catch (thrown) {
    // The answer to an earlier attempt was lost, but the store had done it.
    if (attempts > 1 && isCode(thrown, 'STORE_EXISTS', 'STORE_NOT_FOUND') && (await isOurs(upload, parts, bytes, signal))) return;
    throw thrown;
  }
}

/** The checksum of an object in parts is one over the checksums of its parts, which only whoever sent them in these pieces knows. */
async function isOurs(upload: Upload, parts: CompletedPart[], bytes: number, signal: AbortSignal | undefined): Promise<boolean> {
  const { bucket, objectKey, key } = upload.target;
  const digest = createHash('sha256');
  for (const part of parts) digest.update(Buffer.from(part.ChecksumSHA256 ?? '', 'base64'));
  const expected = `${digest.digest('base64')}-${parts.length}`;
  try {
    const found = await upload.connection.call(`looking for ${key}`, signal, (client, sdk) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: objectKey, ChecksumMode: 'ENABLED' }), sendOptions(signal)),
    );
    return found.ContentLength === bytes && found.ChecksumSHA256 === expected;
  } catch {
    return false;
  }
}

/** Without the caller's signal, which may be aborted already; the idle timeout bounds it. What fails here a lifecycle rule cleans up. */
async function abandon({ connection, target, uploadId }: Upload): Promise<void> {
  const request = { Bucket: target.bucket, Key: target.objectKey, UploadId: uploadId };
  try {
    await connection.call(`giving up the upload of ${target.key}`, undefined, (client, sdk) =>
      client.send(new sdk.AbortMultipartUploadCommand(request)),
    );
  } catch {
    // The error that led here is the one to report.
  }
}
