import { isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import type { BatchBuilder } from './batch-builder.ts';
import type { ItemBatch } from './cluster-api.ts';
import { BrokenAnswer } from './failures.ts';

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

/** A list's own fields are a few hundred bytes. */
const longestEnvelope = 1024 * 1024;

export interface ListEnvelope {
  readonly revision: string;
  readonly remaining?: number;
  readonly continueToken?: string;
}

/**
 * Cuts the answer to a list (`{"kind":…,"metadata":{…},"items":[…]}`, `metadata` before or after `items`) into the bytes of its items, whatever
 * the chunks it comes in. Nothing but quotes, backslashes and braces is looked at within an item, and nothing is decoded.
 */
export class ListSplitter {
  readonly #builder: BatchBuilder;
  /** All bytes that belong to no item: valid JSON by itself, with `items` empty. */
  readonly #envelope: number[] = [];
  #place: 'envelope' | 'between' | 'item' = 'envelope';
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Where, in the envelope, the last string of its first level began and ended. */
  #keyStart = 0;
  #keyEnd = 0;
  #items = 0;

  constructor(builder: BatchBuilder) {
    this.#builder = builder;
  }

  get items(): number {
    return this.#items;
  }

  /** Takes the next bytes; returns the batches that became full. Throws BrokenAnswer where they cannot be a list. */
  push(chunk: Uint8Array): ItemBatch[] {
    const full: ItemBatch[] = [];
    let i = 0;
    while (i < chunk.length) {
      if (this.#place === 'item') i = this.#item(chunk, i, full);
      else if (this.#place === 'between') i = this.#between(chunk, i);
      else i = this.#outside(chunk, i);
    }
    return full;
  }

  /** After the last byte. Throws BrokenAnswer when the list did not end. */
  end(): { readonly batch: ItemBatch | undefined; readonly envelope: ListEnvelope } {
    return { batch: this.#builder.flush(), envelope: this.envelope() };
  }

  envelope(): ListEnvelope {
    const whole = this.#place === 'envelope' && this.#depth === 0;
    const parsed = whole ? parseEnvelope(Buffer.from(this.#envelope).toString('utf8')) : undefined;
    if (parsed === undefined) throw new BrokenAnswer(`the list ended within ${this.#items === 0 ? 'its head' : `item ${this.#items + 1}`}`);
    const revision = stringAt(parsed, 'metadata', 'resourceVersion') ?? '';
    const token = stringAt(parsed, 'metadata', 'continue');
    const metadata = parsed.metadata;
    const remaining = isObject(metadata) ? metadata.remainingItemCount : undefined;
    return {
      revision,
      ...(typeof remaining === 'number' ? { remaining } : {}),
      ...(token === undefined || token === '' ? {} : { continueToken: token }),
    };
  }

  #item(chunk: Uint8Array, from: number, full: ItemBatch[]): number {
    const size = chunk.length;
    let depth = this.#depth;
    let inString = this.#inString;
    let i = from;
    if (this.#escaped) {
      this.#escaped = false;
      i += 1;
    }
    while (i < size) {
      if (inString) {
        let byte = 0;
        while (i < size) {
          byte = chunk[i] as number;
          i += 1;
          if (byte === quote) break;
          if (byte === backslash) i += 1;
        }
        if (byte !== quote) break;
        inString = false;
      }
      let byte = 0;
      while (i < size) {
        byte = chunk[i] as number;
        i += 1;
        if (byte === quote) break;
        // No byte of JSON outside strings is above the braces.
        if (byte < openBrace) continue;
        if (byte === openBrace) depth += 1;
        else if (byte === closeBrace) {
          depth -= 1;
          if (depth === 0) return this.#itemDone(chunk, from, i, full);
        }
      }
      if (byte !== quote) break;
      inString = true;
    }
    this.#escaped = i > size;
    this.#inString = inString;
    this.#depth = depth;
    this.#builder.add(chunk, from, size);
    return size;
  }

  #itemDone(chunk: Uint8Array, from: number, to: number, full: ItemBatch[]): number {
    this.#builder.add(chunk, from, to);
    const batch = this.#builder.endItem();
    if (batch !== undefined) full.push(batch);
    this.#items += 1;
    this.#place = 'between';
    this.#depth = 0;
    this.#inString = false;
    return to;
  }

  #between(chunk: Uint8Array, from: number): number {
    let i = from;
    for (; i < chunk.length; i += 1) {
      const byte = chunk[i] as number;
      if (byte === openBrace) {
        this.#place = 'item';
        this.#depth = 0;
        return i;
      }
      if (byte === closeBracket) {
        this.#place = 'envelope';
        this.#depth = 1;
        this.#envelope.push(closeBracket);
        return i + 1;
      }
      if (byte !== comma && byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        throw new BrokenAnswer(`the list has an item that is no object, after item ${this.#items}`);
      }
    }
    return i;
  }

  /** Byte by byte, for these are few. */
  #outside(chunk: Uint8Array, from: number): number {
    const envelope = this.#envelope;
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i] as number;
      if (envelope.push(byte) > longestEnvelope) throw new BrokenAnswer('the answer is no list');
      if (this.#inString) this.#outsideString(byte);
      else if (byte === quote) {
        this.#inString = true;
        if (this.#depth === 1) this.#keyStart = envelope.length;
      } else if (byte === openBrace || byte === openBracket) {
        if (byte === openBracket && this.#depth === 1 && this.#lastKeyIsItems()) {
          this.#place = 'between';
          return i + 1;
        }
        this.#depth += 1;
      } else if (byte === closeBrace || byte === closeBracket) this.#depth -= 1;
    }
    return chunk.length;
  }

  #outsideString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === backslash) this.#escaped = true;
    else if (byte === quote) {
      this.#inString = false;
      if (this.#depth === 1) this.#keyEnd = this.#envelope.length - 1;
    }
  }

  #lastKeyIsItems(): boolean {
    return Buffer.from(this.#envelope.slice(this.#keyStart, this.#keyEnd)).toString('latin1') === 'items';
  }
}

function parseEnvelope(text: string): JsonObject | undefined {
  try {
    const parsed = parseJson(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
