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
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const open = 0x7b;
const close = 0x7d;
const marker = Buffer.from('"metadata":');

/**
 * Reads `metadata` out of an object's JSON. API servers write it right after `apiVersion` and `kind`, so usually a few hundred bytes are
 * walked over and six values decoded; anything that looks different is parsed whole. Throws SyntaxError where there is no named object.
 */
export function readMetadata(json: Uint8Array): ObjectMetadata {
  const bytes = Buffer.isBuffer(json) ? json : Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const start = metadataStart(bytes);
  return (start < 0 ? undefined : walk(bytes, start)) ?? summarize(topLevelMetadata(bytes));
}

/**
 * Where the object's own `metadata` begins, or -1. Before it may only stand what holds no braces: then it is of the first level. A quote right
 * behind a brace or comma opens a string, so that this one is no part of a longer key.
 */
function metadataStart(bytes: Buffer): number {
  let at = 1;
  while (at < bytes.length && bytes[at] !== open) at++;
  const key = at - marker.length;
  if (key < 1 || (bytes[key - 1] !== comma && bytes[key - 1] !== open)) return -1;
  return holds(bytes, key, marker) ? at : -1;
}

function holds(bytes: Buffer, at: number, what: Buffer): boolean {
  for (let i = 0; i < what.length; i++) if (bytes[at + i] !== what[i]) return false;
  return true;
}

/** The members that are decoded, and the numbers that their values' places are noted under. */
const wanted = ['name', 'namespace', 'uid', 'resourceVersion', 'labels', 'ownerReferences'].map(key => Buffer.from(key));

/** Undefined where it is not as API servers write it: without spaces, and with keys that need no escaping. */
function walk(bytes: Buffer, start: number): ObjectMetadata | undefined {
  const found = [0, 0, 0, 0, 0, 0];
  for (let at = start + 1; bytes[at] === quote; at++) {
    const keyEnd = endOfString(bytes, at);
    if (bytes[keyEnd] !== colon) return undefined;
    const value = keyEnd + 1;
    const which = member(bytes, at + 1, keyEnd - 1);
    if (which === escaped) return undefined;
    if (which >= 0) found[which] = value;
    at = endOfValue(bytes, value);
    if (bytes[at] === close) return new WalkedMetadata(bytes, found);
    if (bytes[at] !== comma) return undefined;
  }
  return undefined;
}

const escaped = -2;

function member(bytes: Buffer, from: number, to: number): number {
  for (let i = 0; i < wanted.length; i++) {
    const key = wanted[i] as Buffer;
    if (key.length === to - from && holds(bytes, from, key)) return i;
  }
  for (let i = from; i < to; i++) if (bytes[i] === backslash) return escaped;
  return -1;
}

/** One past the quote that ends the string whose first quote is at `from`. */
function endOfString(bytes: Buffer, from: number): number {
  let i = from + 1;
  while (i < bytes.length && bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1;
  return i + 1;
}

/** One past the last byte of the value at `from`. */
function endOfValue(bytes: Buffer, from: number): number {
  const first = bytes[from];
  if (first === quote) return endOfString(bytes, from);
  let i = from;
  if (first !== open && first !== openBracket) {
    while (i < bytes.length && bytes[i] !== comma && bytes[i] !== close) i++;
    return i;
  }
  for (let depth = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === quote) i = endOfString(bytes, i) - 1;
    else if (byte === open || byte === openBracket) depth++;
    else if ((byte === close || byte === closeBracket) && --depth === 0) return i + 1;
  }
  return i;
}

/** Labels are decoded when they are asked for: few kinds have rules that look at them. */
class WalkedMetadata implements ObjectMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly owners: readonly string[];
  readonly #bytes: Buffer;
  readonly #labels: number;

  constructor(bytes: Buffer, found: readonly number[]) {
    const [name = 0, namespace = 0, uid = 0, resourceVersion = 0, labels = 0, owners = 0] = found;
    if (name === 0 || bytes[name] !== quote) throw new SyntaxError('an object without metadata.name');
    this.name = stringAt(bytes, name);
    this.namespace = stringAt(bytes, namespace);
    this.uid = stringAt(bytes, uid);
    this.resourceVersion = stringAt(bytes, resourceVersion);
    this.owners = owners === 0 ? none : ownersOf(valueAt(bytes, owners));
    this.#bytes = bytes;
    this.#labels = labels;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#labels === 0 ? {} : labelsOf(valueAt(this.#bytes, this.#labels));
  }
}

const none: readonly string[] = [];

/** The string that starts at `at`; empty where there is none. */
function stringAt(bytes: Buffer, at: number): string {
  if (at === 0 || bytes[at] !== quote) return '';
  const end = endOfString(bytes, at);
  for (let i = at + 1; i < end; i++) if (bytes[i] === backslash) return valueAt(bytes, at) as string;
  return bytes.toString('utf8', at + 1, end - 1);
}

function valueAt(bytes: Buffer, at: number): Json {
  return JSON.parse(bytes.toString('utf8', at, endOfValue(bytes, at))) as Json;
}

function topLevelMetadata(bytes: Buffer): Json {
  const object: unknown = JSON.parse(bytes.toString('utf8'));
  return isObject(object) ? (object['metadata'] ?? null) : null;
}

function summarize(metadata: Json): ObjectMetadata {
  if (!isObject(metadata) || typeof metadata['name'] !== 'string') throw new SyntaxError('an object without metadata.name');
  return {
    namespace: text(metadata['namespace']),
    name: metadata['name'],
    uid: text(metadata['uid']),
    owners: ownersOf(metadata['ownerReferences'] ?? null),
    labels: labelsOf(metadata['labels'] ?? null),
    resourceVersion: text(metadata['resourceVersion']),
  };
}

function ownersOf(references: Json): readonly string[] {
  if (!Array.isArray(references)) return none;
  return references.flatMap(owner => (isObject(owner) && typeof owner['uid'] === 'string' ? [owner['uid']] : []));
}

function labelsOf(labels: Json): Readonly<Record<string, string>> {
  return isObject(labels) ? (labels as Record<string, string>) : {};
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
