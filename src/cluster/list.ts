import type { ResourceKind } from '../domain/resource.ts';
import { createBatchBuilder } from './batch-builder.ts';
import type { ItemSink, ListOptions, ListResult } from './cluster-api.ts';
import { ListSplitter } from './list-splitter.ts';
import { resourcePath, withQuery } from './paths.ts';
import type { Transport } from './transport.ts';

/** One answer of a list, whole or one page. Asked for again only while nothing of it was passed on. */
export async function listKind(transport: Transport, kind: ResourceKind, sink: ItemSink, options: ListOptions): Promise<ListResult> {
  const path = withQuery(resourcePath(kind, options.namespace ?? ''), listQuery(options));
  let passed = 0;
  const read = async (chunks: AsyncIterable<Uint8Array>): Promise<ListResult> => {
    const splitter = new ListSplitter(createBatchBuilder(kind));
    const pass = async (batch: Parameters<ItemSink>[0]) => {
      passed += batch.ends.length;
      await sink(batch);
    };
    for await (const chunk of chunks) {
      for (const batch of splitter.push(chunk)) await pass(batch);
    }
    const { batch, envelope } = splitter.end();
    if (batch !== undefined) await pass(batch);
    const { revision, remaining } = envelope;
    return { revision, items: splitter.items, ...(remaining === undefined ? {} : { remaining }) };
  };
  return transport.exchange(
    { method: 'GET', path, signal: options.signal, long: true, repeatable: () => passed === 0, progress: () => `after ${passed} items` },
    answer => read(answer.chunks),
  );
}

function listQuery(options: ListOptions): Record<string, string | number | undefined> {
  const at = options.exactRevision ?? options.notOlderThan;
  return {
    limit: options.limit,
    labelSelector: options.labelSelector === '' ? undefined : options.labelSelector,
    resourceVersion: at,
    resourceVersionMatch: at === undefined ? undefined : options.exactRevision === undefined ? 'NotOlderThan' : 'Exact',
  };
}
