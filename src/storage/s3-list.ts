import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { HoldfastError } from '../domain/errors.ts';
import { compareKeys, reservedPrefix } from './keys.ts';
import type { StoredObject } from './object-store.ts';
import { type S3Connection, sendOptions } from './s3-client.ts';

export interface ListRequest {
  readonly bucket: string;
  /** The location's prefix with its `/`, or empty. */
  readonly base: string;
  readonly prefix: string;
  readonly delimiter?: '/';
  readonly startAfter?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Pages of 1,000, each asked for when the one before it is used up. */
async function* pages(connection: S3Connection, request: ListRequest): AsyncGenerator<ListObjectsV2CommandOutput> {
  const { bucket, base, prefix, delimiter, startAfter, signal } = request;
  let token: string | undefined;
  do {
    const input = {
      Bucket: bucket,
      Prefix: base + prefix,
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(startAfter === undefined ? {} : { StartAfter: base + startAfter }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    };
    const page = await connection.call(`listing ${prefix === '' ? 'all keys' : prefix}`, signal, (client, sdk) =>
      client.send(new sdk.ListObjectsV2Command(input), sendOptions(signal)),
    );
    yield page;
    const next: string | undefined = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && (next === undefined || next === token)) {
      throw new HoldfastError('STORE_ERROR', `listing ${prefix}: the store broke off and gave no way to go on`);
    }
    token = next;
  } while (token !== undefined);
}

/** A server that lists in another order would make a catalog that silently lacks sets: better none. */
function checkOrder(before: string | undefined, key: string): void {
  if (before === undefined || compareKeys(before, key) < 0) return;
  throw new HoldfastError('STORE_ERROR', `listing: the store gave ${key} after ${before}, which is not the order of their bytes`);
}

function isReserved(key: string): boolean {
  return key.startsWith(reservedPrefix) || key.includes(`/${reservedPrefix}`);
}

export async function* listObjects(connection: S3Connection, request: ListRequest): AsyncGenerator<StoredObject> {
  let before: string | undefined;
  for await (const page of pages(connection, request)) {
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      const key = (Key ?? '').slice(request.base.length);
      checkOrder(before, key);
      before = key;
      if (key === '' || key.endsWith('/') || isReserved(key)) continue;
      yield { key, bytes: Size ?? 0, modified: LastModified ?? new Date(0) };
    }
  }
}

export async function* listNames(connection: S3Connection, request: ListRequest): AsyncGenerator<string> {
  const skip = request.base.length + request.prefix.length;
  let before: string | undefined;
  for await (const page of pages(connection, { ...request, delimiter: '/' })) {
    const objects = (page.Contents ?? []).map(object => object.Key ?? '');
    const prefixes = (page.CommonPrefixes ?? []).map(common => common.Prefix ?? '');
    const names = [...objects, ...prefixes].map(key => key.slice(skip)).sort(compareKeys);
    for (const name of names) {
      if (name === '' || isReserved(name)) continue;
      checkOrder(before, name);
      before = name;
      yield name;
    }
  }
}
