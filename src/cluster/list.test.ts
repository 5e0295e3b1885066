import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cut, type FaultyServer, startFaultyServer } from '../../test/contract/cluster-api-faults.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { ClusterApi, ItemBatch } from './cluster-api.ts';

const kind: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: [],
  subresources: [],
};

let server: FaultyServer;
let api: ClusterApi;

beforeEach(async () => {
  server = await startFaultyServer();
  api = server.open();
});
afterEach(() => server.close());

/** Answers a list, given its query and how many requests came before. */
function answer(handler: (query: URLSearchParams, response: ServerResponse, before: number) => void): void {
  server.answer((request, response, before) => handler(new URL(request.url ?? '', server.url).searchParams, response, before));
}

const queries = () => server.requests.map(request => request.slice(request.indexOf('?') + 1));

const object = (i: number, size: number) => JSON.stringify({ metadata: { name: `o-${i}` }, data: { x: 'y'.repeat(size) } });
const objects = (from: number, to: number, size = 10) => Array.from({ length: to - from }, (_, i) => object(from + i, size));

function page(items: readonly string[], continueToken = '', remaining?: number): string {
  const metadata = { resourceVersion: '77', continue: continueToken, remainingItemCount: remaining };
  return `{"kind":"ConfigMapList","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[${items.join(',')}]}`;
}

function collector() {
  const names: string[] = [];
  const sink = ({ buffer, ends }: ItemBatch) => {
    ends.forEach((end, i) => {
      const text = Buffer.from(buffer.subarray(i === 0 ? 0 : ends[i - 1], end)).toString('utf8');
      names.push((JSON.parse(text) as { metadata: { name: string } }).metadata.name);
    });
  };
  return { names, sink };
}

const named = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `o-${from + i}`);

describe('list', () => {
  it('reads page after page by the server’s tokens, and tells the first page’s revision', async () => {
    answer((query, response) => response.end(query.get('continue') === 'next' ? page(objects(3, 5)) : page(objects(0, 3), 'next', 2)));
    const { names, sink } = collector();
    const options = { namespace: 'a b', labelSelector: 'x=y', exactRevision: '70' };
    expect(await api.list(kind, sink, options)).toEqual({ revision: '77', items: 5 });
    expect(names).toEqual(named(0, 5));
    expect(queries()).toEqual([
      'limit=500&labelSelector=x%3Dy&resourceVersion=70&resourceVersionMatch=Exact',
      'limit=10000&labelSelector=x%3Dy&continue=next',
    ]);
  });

  it('in one answer is not asked for in pages, and not taken up where it was cut', async () => {
    const text = page(objects(0, 300, 5000));
    answer((_query, response, before) => (before === 0 ? response.end(text) : cut(response, text.slice(0, text.indexOf('"o-200"')))));
    expect(await api.list(kind, () => {}, { whole: true })).toEqual({ revision: '77', items: 300 });
    await expect(api.list(kind, () => {}, { whole: true })).rejects.toMatchObject({ retryable: true });
    expect(queries()).toEqual(['GET /api/v1/configmaps', 'GET /api/v1/configmaps']);
  });

  it('asks for fewer objects a page when they are large', async () => {
    answer((query, response) => response.end(query.get('continue') === 'next' ? page([]) : page(objects(0, 50, 60_000), 'next')));
    await api.list(kind, () => {}, { notOlderThan: '5' });
    const [first, second] = queries().map(query => new URLSearchParams(query));
    expect(first?.get('resourceVersionMatch')).toBe('NotOlderThan');
    expect(Number(second?.get('limit'))).toBeGreaterThan(1000);
    expect(Number(second?.get('limit'))).toBeLessThan(1130);
  });

  it('with a limit is one answer, with what remains', async () => {
    answer((_query, response) => response.end(page(objects(0, 2), 'next', 40)));
    expect(await api.list(kind, () => {}, { limit: 2 })).toEqual({ revision: '77', items: 2, remaining: 40 });
    expect(queries()).toEqual(['limit=2']);
  });

  it('starts again when its first page is cut before anything was passed on', async () => {
    answer((_query, response, before) =>
      before === 0 ? cut(response, page(objects(0, 4)).slice(0, -3)) : response.end(page(objects(0, 4))),
    );
    const { names, sink } = collector();
    await api.list(kind, sink);
    expect(names).toEqual(named(0, 4));
  });

  it.each([
    ['cut', (response: ServerResponse, text: string) => cut(response, text), /closed before the answer was complete/],
    ['ended too early', (response: ServerResponse, text: string) => response.end(text), /the list ended within item 201/],
  ])('that is %s after items were passed on says how far it came, and is not made again', async (_how, end, message) => {
    const text = page(objects(0, 300, 5000));
    answer((_query, response) => end(response, text.slice(0, text.indexOf('"o-200"'))));
    const { names, sink } = collector();
    const error = await api.list(kind, sink).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: expect.stringMatching(/^CLUSTER_(UNREACHABLE|ERROR)$/), message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(`after ${names.length} items`);
    expect(names.length).toBeGreaterThan(0);
    expect(queries()).toHaveLength(1);
  });

  it('takes up a later page where it was cut: nothing twice, nothing left out', async () => {
    const second = page(objects(10, 500, 5000));
    answer((query, response, before) => {
      if (query.get('continue') === null) response.end(page(objects(0, 10), 'next'));
      else if (before < 4) cut(response, second.slice(0, second.indexOf(`"o-${100 * before + 50}"`)));
      else response.end(second);
    });
    const { names, sink } = collector();
    expect(await api.list(kind, sink)).toMatchObject({ items: 500 });
    expect(names).toEqual(named(0, 500));
    expect(queries()).toHaveLength(5);
    expect(new Set(queries().slice(1)).size).toBe(1);
  });

  it('does not take up a page that is another one now', async () => {
    const second = page(objects(10, 500, 5000));
    answer((query, response, before) => {
      if (query.get('continue') === null) response.end(page(objects(0, 10), 'next'));
      else if (before === 1) cut(response, second.slice(0, second.indexOf('"o-400"')));
      else response.end(page(objects(11, 501, 5000)));
    });
    await expect(api.list(kind, () => {})).rejects.toMatchObject({
      code: 'CLUSTER_ERROR',
      message: expect.stringContaining('is another one now'),
    });
  });

  it('reads no further while the sink is busy', async () => {
    let sent = 0;
    const chunk = `${objects(0, 20, 5000).join(',')},`;
    answer((_query, response) => {
      response.write('{"items":[');
      const more = () => {
        while (sent < 400) {
          sent += 1;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end(`${object(0, 1)}]}`);
      };
      more();
    });
    let release = () => {};
    const busy = new Promise<void>(resolve => {
      release = resolve;
    });
    let sentWhileBusy = -1;
    let batches = 0;
    const listing = api.list(kind, async () => {
      batches += 1;
      if (batches > 1) return;
      // The server stops when every buffer between it and the sink is full.
      for (let last = -1; last !== sent; await new Promise(resolve => setTimeout(resolve, 100))) last = sent;
      sentWhileBusy = sent;
      release();
      await busy;
    });
    await busy;
    expect(await listing).toMatchObject({ items: 8_001 });
    expect(sentWhileBusy).toBeLessThan(200);
  });

  it('passes on what the sink throws, and stops reading', async () => {
    answer((_query, response) => response.end(page(objects(0, 300, 5000))));
    const full = new Error('disk is full');
    await expect(api.list(kind, () => Promise.reject(full))).rejects.toBe(full);
    expect(queries()).toHaveLength(1);
  });

  it('of something that is no list is an error', async () => {
    answer((_query, response) => response.end('<html></html>'));
    await expect(api.list(kind, () => {})).rejects.toMatchObject({ code: 'CLUSTER_ERROR' });
  });
});
