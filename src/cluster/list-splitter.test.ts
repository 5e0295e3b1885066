import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResourceKind } from '../domain/resource.ts';
import { createBatchBuilder } from './batch-builder.ts';
import type { ItemBatch } from './cluster-api.ts';
import { BrokenAnswer } from './failures.ts';
import { ListSplitter } from './list-splitter.ts';

const kind: ResourceKind = {
  group: 'test.io',
  version: 'v1',
  resource: 'widgets',
  kind: 'Widget',
  namespaced: true,
  verbs: [],
  subresources: [],
};
const head = '"apiVersion":"test.io/v1","kind":"Widget"';

function itemsOf(batches: readonly ItemBatch[]): string[] {
  return batches.flatMap(({ buffer, ends }) =>
    ends.map((end, i) => Buffer.from(buffer.subarray(i === 0 ? 0 : ends[i - 1], end)).toString('utf8')),
  );
}

function split(text: string, cuts: readonly number[] = [], batchSize?: number) {
  const bytes = Buffer.from(text);
  const splitter = new ListSplitter(createBatchBuilder(kind, batchSize));
  const batches: ItemBatch[] = [];
  const ends = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...ends, bytes.length]) {
    batches.push(...splitter.push(bytes.subarray(from, to)));
    from = to;
  }
  const { batch, envelope } = splitter.end();
  if (batch !== undefined) batches.push(batch);
  return { batches, items: itemsOf(batches), envelope };
}

describe('ListSplitter', () => {
  it('puts apiVersion and kind in front of items that lack them, and leaves every other byte alone', () => {
    const item = '{"metadata":{"name":"a","generation":9007199254740993},"spec":{"x":1.0,"y":"\\u00e4\\"}{"}}';
    const { items } = split(`{"kind":"WidgetList","apiVersion":"test.io/v1","metadata":{"resourceVersion":"7"},"items":[${item},${item}]}`);
    const expected = `{${head},${item.slice(1)}`;
    expect(items).toEqual([expected, expected]);
  });

  it('leaves items that name their kind as they are, however their keys are sorted', () => {
    const own = [
      '{"apiVersion":"test.io/v1","kind":"Widget","metadata":{}}',
      '{"kind":"Widget","apiVersion":"test.io/v1","metadata":{}}',
      '{"Alpha":{"kind":"x"},"apiVersion":"test.io/v1","kind":"Widget"}',
      '{"metadata":{},"kind":"Widget","apiVersion":"test.io/v1beta1"}',
      '{ "apiVersion" : "test.io/v1" , "kind" : "Widget" }',
    ];
    expect(split(`{"items":[${own.join(',')}]}`).items).toEqual(own);
  });

  it('adds only the field that is missing', () => {
    expect(split('{"items":[{"kind":"Widget","metadata":{}},{"apiVersion":"v9","a":[{"kind":1}]},{},{ "a":1}]}').items).toEqual([
      '{"apiVersion":"test.io/v1","kind":"Widget","metadata":{}}',
      '{"kind":"Widget","apiVersion":"v9","a":[{"kind":1}]}',
      `{${head}}`,
      `{${head}, "a":1}`,
    ]);
  });

  it('is not misled by a kind that only nested objects have', () => {
    const item = '{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod"}]},"spec":{"kind":"x","apiVersion":"y"}}';
    expect(split(`{"items":[${item},${item}]}`).items).toEqual(Array(2).fill(`{${head},${item.slice(1)}`));
  });

  it.each([
    ['before the items', '{"metadata":{"resourceVersion":"12","continue":"abc","remainingItemCount":3},"items":[{}]}'],
    [
      'after the items',
      '{"apiVersion":"v1","items":[{}],"kind":"L","metadata":{"continue":"abc","remainingItemCount":3,"resourceVersion":"12"}}',
    ],
  ])('reads metadata %s', (_where, text) => {
    expect(split(text).envelope).toEqual({ revision: '12', remaining: 3, continueToken: 'abc' });
  });

  it.each(['null', '[]', '[ \n ]'])('takes items that are %s as none', items => {
    const { batches, envelope } = split(`{"metadata":{"resourceVersion":"12","continue":""},"items":${items}}\n`);
    expect(batches).toEqual([]);
    expect(envelope).toEqual({ revision: '12' });
  });

  it('takes only the list’s own items, not fields of that name elsewhere', () => {
    const text =
      '{"metadata":{"items":[{"x":1}],"resourceVersion":"1"},"other":["items"],"note":"\\"items\\":[{","items":[{"kind":"a","apiVersion":"b"}]}';
    expect(split(text).items).toEqual(['{"kind":"a","apiVersion":"b"}']);
  });

  it('gives the same items whatever the chunks and the size of batches', () => {
    const object = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 4 }), { maxKeys: 5 });
    const layout = fc.record({
      objects: fc.array(object, { maxLength: 12 }),
      spaces: fc.constantFrom(0, 1),
      metadataFirst: fc.boolean(),
      cuts: fc.array(fc.nat(), { maxLength: 40 }),
      batchSize: fc.integer({ min: 1, max: 600 }),
    });
    fc.assert(
      fc.property(layout, ({ objects, spaces, metadataFirst, cuts, batchSize }) => {
        const metadata = { resourceVersion: '5', note: '{"items":[' };
        const list = metadataFirst ? { metadata, items: objects } : { items: objects, metadata };
        const { items, envelope } = split(JSON.stringify(list, undefined, spaces), cuts, batchSize);
        expect(items.map(item => JSON.parse(item))).toEqual(
          objects.map(one => JSON.parse(JSON.stringify({ apiVersion: 'test.io/v1', kind: 'Widget', ...one }))),
        );
        expect(envelope.revision).toBe('5');
      }),
      { numRuns: 400 },
    );
  });

  it('fills batches up to their size, and gives an item that is bigger a batch of its own size', () => {
    const small = `{${head},"s":"${'x'.repeat(100)}"}`;
    const big = `{${head},"b":"${'y'.repeat(5000)}"}`;
    const { batches, items } = split(`{"items":[${[small, small, big, small].join(',')}]}`, [], 1000);
    expect(items).toEqual([small, small, big, small]);
    expect(batches.map(batch => batch.ends.length)).toEqual([2, 2]);
    const memory = new Set(batches.map(batch => batch.buffer.buffer));
    expect(memory.size).toBe(batches.length);
    for (const batch of batches) expect(batch.buffer.byteOffset).toBe(0);
  });

  it.each([
    ['within an item', '{"items":[{"a":"b'],
    ['between items', '{"items":[{"a":"b"},'],
    ['before its end', '{"items":[{"a":"b"}]'],
    ['before its items', '{"kind":"L","meta'],
    ['before its first byte', ''],
  ])('says that a list broke off %s', (_where, text) => {
    expect(() => split(text)).toThrow(BrokenAnswer);
  });

  it.each(['{"items":[1]}', '{"items":[null]}', 'upstream connect error', '{"items":[]}{"items":[]}', '{"items":[]}]'])(
    'refuses %s',
    text => {
      expect(() => split(text)).toThrow(BrokenAnswer);
    },
  );
});
