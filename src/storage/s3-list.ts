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
  /** Keys of one page at most; the server's own number, usually 1,000, unless told. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal | undefined;
}

const looksAtOnce = 16;

/** Pages of 1,000, each asked for when the one before it is used up. */
async function* pages(connection: S3Connection, request: ListRequest): AsyncGenerator<ListObjectsV2CommandOutput> {
  const { bucket, base, prefix, delimiter, startAfter, pageSize, signal } = request;
  let token: string | undefined;
  do {
    const input = {
      Bucket: bucket,
      Prefix: base + prefix,
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(startAfter === undefined ? {} : { StartAfter: base + startAfter }),
      ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
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

/**
 * Names of one level. MinIO names prefixes under which only deleted versions are left, which AWS does not: on a bucket that is or was
 * versioned, and wherever that cannot be known, each prefix is looked into.
 */
export async function* listNames(
  connection: S3Connection,
  request: ListRequest,
  mayBeEmpty: () => Promise<boolean>,
): AsyncGenerator<string> {
  const skip = request.base.length + request.prefix.length;
  const startAfter = request.startAfter === undefined ? undefined : request.prefix + request.startAfter;
  let before: string | undefined;
  for await (const page of pages(connection, { ...request, delimiter: '/', startAfter })) {
    const objects = (page.Contents ?? []).map(object => object.Key ?? '');
    const prefixes = (page.CommonPrefixes ?? []).map(common => common.Prefix ?? '');
    const look = prefixes.length > 0 && (await mayBeEmpty());
    const names = [...objects, ...prefixes]
      .map(key => key.slice(skip))
      // A prefix that begins with the name to start after holds keys beyond it, and is named again.
      .filter(name => name !== '' && !isReserved(name) && name !== request.startAfter)
      .sort(compareKeys);
    for (let at = 0; at < names.length; at += looksAtOnce) {
      const some = names.slice(at, at + looksAtOnce);
      const filled = await Promise.all(some.map(name => !look || !name.endsWith('/') || holdsObject(connection, request, name)));
      for (const name of some.filter((_, index) => filled[index])) {
        checkOrder(before, name);
        before = name;
        yield name;
      }
    }
  }
}

async function holdsObject(connection: S3Connection, request: ListRequest, name: string): Promise<boolean> {
  for await (const _ of listObjects(connection, { ...request, prefix: request.prefix + name, startAfter: undefined, pageSize: 1 }))
    return true;
  return false;
}
