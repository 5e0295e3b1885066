import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMetadata } from './metadata.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

describe('metadata of an object', () => {
  it('is read whatever the names, labels and order of members', () => {
    const word = fc.string({ unit: 'binary', minLength: 1 });
    const metadata = fc.record({
      name: word,
      namespace: word,
      uid: word,
      resourceVersion: word,
      labels: fc.dictionary(word, word),
      ownerReferences: fc.array(fc.record({ uid: word, name: word })),
    });
    fc.assert(
      fc.property(metadata, fc.jsonValue(), fc.boolean(), (wanted, spec, metadataFirst) => {
        const head = { apiVersion: 'v1', kind: 'Thing' };
        const json = JSON.stringify(metadataFirst ? { ...head, metadata: wanted, spec } : { ...head, spec, metadata: wanted });
        const read = readMetadata(bytes(json));
        expect(read.name).toBe(wanted.name);
        expect(read.namespace).toBe(wanted.namespace);
        expect(read.uid).toBe(wanted.uid);
        expect(read.resourceVersion).toBe(wanted.resourceVersion);
        expect(read.owners).toEqual(wanted.ownerReferences.map(owner => owner.uid));
        expect(Object.entries(read.labels).sort()).toEqual(Object.entries(wanted.labels).sort());
      }),
    );
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
