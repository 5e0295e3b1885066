import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMetadata } from './metadata.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

describe('metadata of an object', () => {
  it('is read whatever the names, labels and order of members', () => {
    const word = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 });
    const small = fc.jsonValue({ maxDepth: 3 });
    const metadata = fc.record({
      name: word,
      namespace: word,
      uid: word,
      resourceVersion: word,
      labels: fc.dictionary(word, word),
      ownerReferences: fc.array(fc.record({ uid: word, name: word })),
    });
    fc.assert(
      fc.property(metadata, fc.dictionary(word, small, { maxKeys: 4 }), small, fc.nat(3), (wanted, others, spec, way) => {
        const head = { apiVersion: 'v1', kind: 'Thing' };
        const whole = way % 2 === 0 ? { ...others, ...wanted } : { ...wanted, ...others, ...wanted };
        const object = way < 2 ? { ...head, metadata: whole, spec } : { ...head, spec, metadata: whole };
        const read = readMetadata(bytes(JSON.stringify(object)));
        const { ownerReferences, labels, ...texts } = wanted;
        expect({ ...read, labels: read.labels }).toEqual({ ...texts, labels, owners: ownerReferences.map(owner => owner.uid) });
      }),
    );
  });

  it.each([
    ['with spaces', '{ "metadata" : { "name" : "own" , "uid" : "1" } }'],
    ['with spaces within', '{"metadata":{"name": "own", "uid": "1"}}'],
    ['with keys written as escapes', '{"metadata":{"\\u006eame":"own","uid":"1"}}'],
    ['with a key that ends like it before it', '{"a\\"metadata":{"name":"other"},"metadata":{"name":"own","uid":"1"}}'],
    [
      'with members of every kind before the name',
      '{"metadata":{"a":null,"b":-1.5e3,"c":[{"name":"no"},"]}"],"d":{},"name":"own","uid":"1"}}',
    ],
    ['behind others that end in it', '{"list":["metadata"],"metadata":{"name":"own","uid":"1"}}'],
    ['with values of other types', '{"metadata":{"namespace":7,"labels":[],"ownerReferences":{},"name":"own","uid":"1"}}'],
  ])('is read %s', (_, json) => {
    expect(readMetadata(bytes(json))).toMatchObject({ name: 'own', uid: '1', namespace: '', labels: {}, owners: [] });
  });

  it('is the object’s own, not that of a pod template or of text that looks like one', () => {
    const json =
      '{"data":{"a":"\\"metadata\\":{\\"name\\":\\"no\\"}"},"spec":{"template":{"metadata":{"name":"inner"}}},"metadata":{"name":"own"}}';
    expect(readMetadata(bytes(json)).name).toBe('own');
  });

  it('is required: anything without a name is refused', () => {
    for (const json of ['{}', '[]', 'null', '{"metadata":{}}', '{"metadata":null}', '{"metadata":{"name":7}}']) {
      expect(() => readMetadata(bytes(json)), json).toThrow(SyntaxError);
    }
  });
});
