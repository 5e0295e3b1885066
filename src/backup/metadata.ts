import { isObject, type Json } from '../domain/json.ts';

/** What a backup needs to know of an object; everything else passes through as bytes. */
export interface ObjectMetadata {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly owners: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
}

const quote = 0x22;
const backslash = 0x5c;
const open = 0x7b;
const close = 0x7d;
const marker = Buffer.from('"metadata":{');

/**
 * Reads `metadata` out of an object's JSON. API servers write it right after `apiVersion` and `kind`, so usually a few hundred bytes are
 * parsed and not the object; anything that looks different is parsed whole. Throws SyntaxError where there is no named object.
 */
export function readMetadata(json: Uint8Array): ObjectMetadata {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const start = bytes.indexOf(marker);
  const end = start < 0 || depthIsTwo(bytes, start) === false ? -1 : endOfObject(bytes, start + marker.length - 1);
  const metadata: Json = end < 0 ? topLevelMetadata(bytes) : JSON.parse(bytes.toString('utf8', start + marker.length - 1, end));
  return summarize(metadata);
}

/** Only `apiVersion` and `kind`, which hold no braces, may come before: then the first match is the object's own. */
function depthIsTwo(bytes: Buffer, start: number): boolean {
  return start < 512 && bytes.indexOf(open, 1) === start + marker.length - 1;
}

function endOfObject(bytes: Buffer, from: number): number {
  let depth = 0;
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === quote) {
      i = endOfString(bytes, i);
      if (i < 0) return -1;
    } else if (byte === open) depth++;
    else if (byte === close && --depth === 0) return i + 1;
  }
  return -1;
}

function endOfString(bytes: Buffer, from: number): number {
  for (let i = bytes.indexOf(quote, from + 1); i >= 0; i = bytes.indexOf(quote, i + 1)) {
    let slashes = 0;
    while (bytes[i - 1 - slashes] === backslash) slashes++;
    if (slashes % 2 === 0) return i;
  }
  return -1;
}

function topLevelMetadata(bytes: Buffer): Json {
  const object: unknown = JSON.parse(bytes.toString('utf8'));
  return isObject(object) ? (object['metadata'] ?? null) : null;
}

function summarize(metadata: Json): ObjectMetadata {
  if (!isObject(metadata) || typeof metadata['name'] !== 'string') throw new SyntaxError('an object without metadata.name');
  const owners = Array.isArray(metadata['ownerReferences']) ? metadata['ownerReferences'] : [];
  return {
    namespace: text(metadata['namespace']),
    name: metadata['name'],
    uid: text(metadata['uid']),
    owners: owners.flatMap(owner => (isObject(owner) && typeof owner['uid'] === 'string' ? [owner['uid']] : [])),
    labels: isObject(metadata['labels']) ? (metadata['labels'] as Record<string, string>) : {},
    resourceVersion: text(metadata['resourceVersion']),
  };
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
