import { HoldfastError } from '../domain/errors.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { batchBytes, createBatchBuilder } from './batch-builder.ts';
import type { ItemBatch, ItemSink, ListOptions, ListResult } from './cluster-api.ts';
import { type ListEnvelope, ListSplitter } from './list-splitter.ts';
import { resourcePath, withQuery } from './paths.ts';
import type { Transport } from './transport.ts';

/**
 * An API server cuts every list after `--request-timeout` (a minute), so a reader that is held up by what it feeds can never finish a large kind
 * in one answer. Pages of this many objects cost the server as much as one answer does, and a page that was cut is asked for again at the same
 * revision. The first is small, for only its end says which revision that is.
 */
const firstPage = 500;
const largestPage = 10_000;
/** A look at the first few of many objects needs no room for a full batch. */
const lookBytes = 16 * 1024;
/** Pages of large objects have fewer of them, bytes. */
const pageBytes = 64 * 1024 * 1024;

interface Page {
  readonly envelope: ListEnvelope;
  readonly items: number;
  readonly bytes: number;
}

/** A whole list at one revision, or with `limit` its first objects. */
export async function listKind(transport: Transport, kind: ResourceKind, sink: ItemSink, options: ListOptions): Promise<ListResult> {
  const reader = new PageReader(transport, kind, sink, options);
  const first = await reader.read(options.limit ?? (options.whole === true ? undefined : firstPage));
  const { revision, remaining } = first.envelope;
  if (options.limit !== undefined) return { revision, items: first.items, ...(remaining === undefined ? {} : { remaining }) };
  let { continueToken } = first.envelope;
  let { items, bytes } = first;
  while (continueToken !== undefined) {
    const fitting = Math.floor((pageBytes * items) / Math.max(bytes, 1));
    const page = await reader.read(Math.max(firstPage, Math.min(largestPage, fitting)), continueToken);
    items += page.items;
    bytes += page.bytes;
    continueToken = page.envelope.continueToken;
  }
  return { revision, items };
}

class PageReader {
  readonly #transport: Transport;
  readonly #kind: ResourceKind;
  readonly #sink: ItemSink;
  readonly #options: ListOptions;
  #total = 0;

  constructor(transport: Transport, kind: ResourceKind, sink: ItemSink, options: ListOptions) {
    this.#transport = transport;
    this.#kind = kind;
    this.#sink = sink;
    this.#options = options;
  }

  async read(limit: number | undefined, continueToken?: string): Promise<Page> {
    const path = withQuery(resourcePath(this.#kind, this.#options.namespace ?? ''), pageQuery(this.#options, limit, continueToken));
    const passed = new PassedItems(kindName(this.#kind));
    const page = await this.#transport.exchange(
      {
        method: 'GET',
        path,
        signal: this.#options.signal,
        long: true,
        // A later page is of a fixed revision, so that what was passed on of it can be left out the second time.
        repeatable: () => continueToken !== undefined || passed.count === 0,
        progress: () => `after ${this.#total + passed.count} items`,
      },
      answer => this.#split(answer.chunks, passed),
    );
    this.#total += page.items;
    return page;
  }

  async #split(chunks: AsyncIterable<Uint8Array>, passed: PassedItems): Promise<Page> {
    const { limit, memory } = this.#options;
    const splitter = new ListSplitter(createBatchBuilder(this.#kind, limit === undefined ? batchBytes : lookBytes, memory));
    passed.restart();
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      for (const batch of splitter.push(chunk)) await passed.pass(batch, this.#sink);
    }
    const { batch, envelope } = splitter.end();
    if (batch !== undefined) await passed.pass(batch, this.#sink);
    return { envelope, items: splitter.items, bytes };
  }
}

/** Which items of a page the sink has, so that a second reading of it passes on only the others. */
class PassedItems {
  readonly #what: string;
  /** Items that the sink has. */
  count = 0;
  /** The last of them. */
  #last = new Uint8Array(0);
  /** Items seen in this reading. */
  #seen = 0;

  constructor(what: string) {
    this.#what = what;
  }

  restart(): void {
    this.#seen = 0;
  }

  async pass(batch: ItemBatch, sink: ItemSink): Promise<void> {
    const known = Math.min(batch.ends.length, this.count - this.#seen);
    this.#seen += batch.ends.length;
    if (known > 0 && this.#seen >= this.count && this.#seen - batch.ends.length < this.count) this.#verify(batch, known);
    const rest = known > 0 ? without(batch, known) : batch;
    if (rest.ends.length === 0) return;
    this.#last = new Uint8Array(itemOf(rest, rest.ends.length - 1));
    this.count = this.#seen;
    await sink(rest);
  }

  #verify(batch: ItemBatch, known: number): void {
    if (Buffer.compare(itemOf(batch, known - 1), this.#last) === 0) return;
    throw new HoldfastError(
      'CLUSTER_ERROR',
      `the list of ${this.#what} was cut and is another one now, after ${this.count} items of a page`,
    );
  }
}

function itemOf(batch: ItemBatch, i: number): Uint8Array {
  return batch.buffer.subarray(i === 0 ? 0 : batch.ends[i - 1], batch.ends[i]);
}

/** A batch of its own, without the first items. */
function without(batch: ItemBatch, items: number): ItemBatch {
  const start = batch.ends[items - 1] ?? 0;
  return { buffer: new Uint8Array(batch.buffer.subarray(start)), ends: batch.ends.slice(items).map(end => end - start) };
}

/** A continue token carries the revision itself, and is refused along with one. */
function pageQuery(
  options: ListOptions,
  limit: number | undefined,
  continueToken: string | undefined,
): Record<string, string | number | undefined> {
  const at = continueToken === undefined ? (options.exactRevision ?? options.notOlderThan) : undefined;
  return {
    limit,
    labelSelector: options.labelSelector === '' ? undefined : options.labelSelector,
    fieldSelector: options.fieldSelector,
    continue: continueToken,
    resourceVersion: at,
    resourceVersionMatch: at === undefined ? undefined : options.exactRevision === undefined ? 'NotOlderThan' : 'Exact',
  };
}
