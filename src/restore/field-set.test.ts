import { describe, expect, it } from 'vitest';
import { type JsonObject, parseJson } from '../domain/json.ts';
import { ownedPart } from './field-set.ts';

const object = {
  metadata: { labels: { a: '1', b: '2' }, finalizers: ['x', 'y'], annotations: {} },
  spec: {
    replicas: 3,
    ports: [
      { port: 80, protocol: 'TCP', name: 'http' },
      { port: 53, protocol: 'UDP', name: 'dns' },
    ],
    template: { a: { b: 1, c: 2 } },
    args: ['p', 'q'],
  },
};

describe('the part of an object that a field set names', () => {
  it('has the named members, and leaves whole', () => {
    expect(ownedPart(object, { 'f:spec': { 'f:replicas': {}, 'f:template': { 'f:a': { 'f:b': {} } }, 'f:args': {} } })).toEqual({
      spec: { replicas: 3, template: { a: { b: 1 } }, args: ['p', 'q'] },
    });
    expect(ownedPart(object, { 'f:spec': { 'f:template': {} } })).toEqual({ spec: { template: { a: { b: 1, c: 2 } } } });
  });

  it('has members whatever they are called', () => {
    const odd = '{"data":{"__proto__":"x","constructor":"y","":"z"}}';
    const fields = parseJson('{"f:data":{"f:__proto__":{},"f:constructor":{},"f:":{}}}') as JsonObject;
    expect(JSON.stringify(ownedPart(parseJson(odd), fields))).toBe(odd);
    const nested = '{"data":{"__proto__":{"a":1}}}';
    expect(JSON.stringify(ownedPart(parseJson(nested), parseJson('{"f:data":{"f:__proto__":{"f:a":{}}}}') as JsonObject))).toBe(nested);
  });

  it('has items of lists by their keys, without those that the API server filled in', () => {
    const fields = { 'f:spec': { 'f:ports': { 'k:{"port":53,"protocol":"UDP"}': { '.': {}, 'f:name': {}, 'f:port': {} } } } };
    expect(ownedPart(object, fields)).toEqual({ spec: { ports: [{ port: 53, name: 'dns' }] } });
  });

  it('tells an item that is owned as such from one that is owned whole', () => {
    const key = 'k:{"port":80,"protocol":"TCP"}';
    expect(ownedPart(object, { 'f:spec': { 'f:ports': { [key]: { '.': {} } } } })).toEqual({
      spec: { ports: [{ port: 80, protocol: 'TCP' }] },
    });
    expect(ownedPart(object, { 'f:spec': { 'f:ports': { [key]: {} } } })).toEqual({
      spec: { ports: [{ port: 80, protocol: 'TCP', name: 'http' }] },
    });
  });

  it('has members of sets by value, in the order of the object', () => {
    expect(ownedPart(object, { 'f:metadata': { 'f:finalizers': { 'v:"y"': {}, 'v:"x"': {} } } })).toEqual({
      metadata: { finalizers: ['x', 'y'] },
    });
  });

  it('has an empty map only where the map itself is owned', () => {
    expect(ownedPart(object, { 'f:metadata': { 'f:annotations': { '.': {}, 'f:gone': {} } } })).toEqual({ metadata: { annotations: {} } });
    expect(ownedPart(object, { 'f:metadata': { 'f:annotations': { 'f:gone': {} } } })).toBeUndefined();
  });

  it('is nothing where the object has none of it', () => {
    expect(ownedPart(object, { 'f:status': { 'f:phase': {} } })).toBeUndefined();
  });
});
