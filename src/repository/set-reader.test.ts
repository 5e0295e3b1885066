import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  collect,
  configMap,
  effectiveObjects,
  makeRepository,
  newKeys,
  type SetOptions,
  secret,
  type TestObject,
  type TestRepository,
  workflow,
  wrapStore,
  writeSet,
} from '../../test/contract/repository-fixture.ts';
import { indexKey } from '../domain/backup-set.ts';
import { digestKeyPath, fileKey } from './layout.ts';
import { readBytes } from './read-bytes.ts';
import { openSet, type SetReader } from './set-reader.ts';
import { unsealedTar } from './unseal.ts';

const id = '20261123T020000Z-daily-k3f9';
const opened: TestRepository[] = [];

afterEach(async () => {
  for (const location of opened.splice(0)) await location.remove();
});

async function location(options: { plaintext?: boolean } = {}): Promise<TestRepository> {
  const made = await makeRepository(options);
  opened.push(made);
  return made;
}

async function contents(reader: SetReader): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await reader.read(
    () => true,
    (entry, json) => void found.set(indexKey(entry), json),
  );
  return found;
}

function asMap(objects: readonly TestObject[]): Map<string, string> {
  return new Map(objects.map(object => [indexKey(object.ref), object.json]));
}

const name = fc.oneof(
  fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,30}[a-z0-9])?$/),
  fc.constantFrom(
    'system:controller:x',
    'ä-ö-ü',
    'name with spaces',
    '日本語',
    '-rf',
    'a'.repeat(253),
    '🦊'.repeat(40),
    'x\ny',
    'back\\slash',
  ),
);
const json = fc.oneof(
  fc.object().map(value => JSON.stringify({ apiVersion: 'v1', value })),
  fc.constantFrom(
    '{}',
    `{"big":"${'x'.repeat(1024 * 1024)}"}`,
    '{"n":9007199254740993,"d":1.0,"t":"\\u0000"}',
    `{"random":"${'ab'.repeat(3000)}"}`,
  ),
);
const object: fc.Arbitrary<TestObject> = fc
  .record({
    kind: fc.constantFrom(
      { group: '', version: 'v1', resource: 'configmaps' },
      { group: '', version: 'v1', resource: 'secrets' },
      { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles' },
    ),
    namespace: fc.constantFrom('', 'agents', 'n'.repeat(63)),
    name,
    json,
  })
  .map(made => ({ ref: { ...made.kind, namespace: made.namespace, name: made.name }, json: made.json }));

/** First objects, each once; then late changes to some of them and to new ones. */
const history: fc.Arbitrary<TestObject[]> = fc
  .record({
    objects: fc.uniqueArray(object, { maxLength: 12, selector: made => indexKey(made.ref) }),
    late: fc.array(fc.record({ which: fc.nat(11), json, gone: fc.boolean() }), { maxLength: 8 }),
  })
  .map(({ objects, late }) => {
    const fixes = late.flatMap(({ which, json, gone }) => {
      const target = objects[which];
      if (target === undefined) return [];
      return [{ ref: target.ref, json: gone ? '' : json, fix: true as const, ...(gone && { gone: true as const }) }];
    });
    return [...objects, ...fixes];
  });

describe('a set of any objects', () => {
  it('gives back exactly what went in, late changes applied, however it was cut into shards', async () => {
    const { repository, keys } = await location();
    let sets = 0;
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom(1, 20_000, 64_000_000), fc.boolean(), async (objects, maxTarBytes, sealIndex) => {
        const setId = `20261123T0200${String(sets % 60).padStart(2, '0')}Z-t${sets++}-k3f9`;
        await writeSet(repository, keys, { id: setId, objects, maxTarBytes, sealIndex });
        const reader = await openSet(repository, setId, { identities: [keys.identity], trusted: [keys.publicPem] });
        const expected = asMap(effectiveObjects({ objects }));
        expect(await contents(reader)).toEqual(expected);
        const listed = await collect(reader.entries());
        expect(listed.map(indexKey).sort()).toEqual([...expected.keys()].sort());
      }),
      { numRuns: 40 },
    );
  });
});

describe('late changes and repeated readings', () => {
  const objects: TestObject[] = [
    configMap('kept'),
    configMap('changed', 'agents', 'before'),
    configMap('deleted'),
    configMap('back', 'agents', 'before'),
    { ...configMap('changed', 'agents', 'between'), fix: true },
    { ...configMap('deleted'), fix: true, gone: true },
    { ...configMap('back'), fix: true, gone: true },
    { ...configMap('changed', 'agents', 'after'), fix: true },
    { ...configMap('back', 'agents', 'after'), fix: true },
    { ...configMap('new', 'agents', 'after'), fix: true },
  ];

  it('gives each object out once, in its last state', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, { objects });
    const found = await contents(await openSet(repository, id, { identities: [keys.identity] }));
    expect([...found.keys()].sort()).toEqual(['back', 'changed', 'kept', 'new'].map(name => `/configmaps/agents/${name}`));
    expect(found.get('/configmaps/agents/changed')).toContain('after');
    expect(found.get('/configmaps/agents/back')).toContain('after');
  });

  it('leaves the lines of an abandoned reading out, its late changes too', async () => {
    const { repository, keys } = await location();
    const options: SetOptions = {
      attempts: { configmaps: 2 },
      objects: [
        configMap('gone-meanwhile'),
        configMap('kept', 'agents', 'first reading'),
        { ...configMap('kept', 'agents', 'late change of the first reading'), fix: true },
        workflow('other-kind'),
        { ...configMap('kept', 'agents', 'second reading'), attempt: 2 },
        { ...configMap('new'), attempt: 2 },
      ],
    };
    await writeSet(repository, keys, options);
    const found = await contents(await openSet(repository, id, { identities: [keys.identity] }));
    expect(found).toEqual(asMap(effectiveObjects(options)));
    expect(found.get('/configmaps/agents/kept')).toContain('second reading');
    expect(found.size).toBe(3);
  });
});

describe('reading', () => {
  it('fetches only the shards that hold something wanted', async () => {
    const { repository, keys } = await location();
    const objects = Array.from({ length: 30 }, (_, i) => configMap(`cm-${i}`, 'agents', 'abc'.repeat(100 + i)));
    const { manifest, entries } = await writeSet(repository, keys, { objects, maxTarBytes: 1 });
    expect(manifest.shards.length).toBeGreaterThan(10);
    const fetched: string[] = [];
    const store = wrapStore(repository.store, {
      get: (key, options) => {
        fetched.push(key);
        return repository.store.get(key, options);
      },
    });
    const reader = await openSet({ ...repository, store }, id, { identities: [keys.identity] });
    const found: string[] = [];
    await reader.read(
      entry => entry.name === 'cm-17',
      (_, json) => void found.push(json),
    );
    expect(found).toEqual([objects[17]!.json]);
    const shard = entries.find(entry => entry.name === 'cm-17')!.shard;
    expect(fetched.filter(key => key.includes('resources-'))).toEqual([fileKey(id, shard)]);
  });

  it('reads an unsealed index without an identity, but no object', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, { objects: [configMap('a'), secret('b', 'pw')] });
    const reader = await openSet(repository, id);
    expect((await collect(reader.entries())).map(entry => entry.name)).toEqual(['a', 'b']);
    await expect(contents(reader)).rejects.toMatchObject({ code: 'IDENTITY_MISSING' });
  });

  it('reads a sealed index only with the right identity', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, { objects: [configMap('a')], sealIndex: true });
    await expect(collect((await openSet(repository, id)).entries())).rejects.toMatchObject({ code: 'IDENTITY_MISSING' });
    const { identity } = await newKeys();
    await expect(contents(await openSet(repository, id, { identities: [identity] }))).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
    expect((await contents(await openSet(repository, id, { identities: [identity, keys.identity] }))).size).toBe(1);
  });

  it('passes the failure of a receiver on as it is, and ends on an abort', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, { objects: [configMap('a'), configMap('b')], maxTarBytes: 1 });
    const reader = await openSet(repository, id, { identities: [keys.identity] });
    const failure = new Error('the receiver is full');
    await expect(
      reader.read(
        () => true,
        () => Promise.reject(failure),
      ),
    ).rejects.toBe(failure);
    const abort = new AbortController();
    const reading = reader.read(
      () => true,
      () => abort.abort(new Error('stop')),
      { signal: abort.signal },
    );
    await expect(reading).rejects.toThrow('stop');
  });

  it('works in the clear where the repository was made so', async () => {
    const { repository, keys } = await location({ plaintext: true });
    const objects = [configMap('a'), secret('b', 'pw')];
    const { manifest } = await writeSet(repository, keys, { objects, plaintext: true });
    expect(manifest.shards.map(shard => shard.name)).toEqual(['resources-0001.tar.zst', 'secrets-0001.tar.zst']);
    expect(await contents(await openSet(repository, id))).toEqual(asMap(objects));
  });
});

describe('opening a set', () => {
  it('knows no set by a name that is no id', async () => {
    const { repository } = await location();
    for (const text of ['latest', '../holdfast.json', '', '20261123T020000Z-daily-zzzz']) {
      await expect(openSet(repository, text)).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    }
  });

  it('takes a manifest only where it belongs: not under another id, not from another repository', async () => {
    const a = await location();
    const b = await location();
    await writeSet(a.repository, a.keys, { objects: [configMap('a')] });
    const bytes = (await readBytes(a.repository.store, fileKey(id, 'manifest.json'), 1e6, {}))!;
    const other = '20261124T020000Z-daily-k3f9';
    await a.repository.store.put(fileKey(other, 'manifest.json'), bytes);
    await expect(openSet(a.repository, other)).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
    await b.repository.store.put(fileKey(id, 'manifest.json'), bytes);
    await expect(openSet(b.repository, id, { trusted: [a.keys.publicPem] })).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
  });

  it('says whether the signature is by a trusted key, and refuses any other', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, { objects: [configMap('a')] });
    const stranger = await newKeys();
    expect((await openSet(repository, id)).signature.verified).toBe(false);
    expect((await openSet(repository, id, { trusted: [stranger.publicPem, keys.publicPem] })).signature.verified).toBe(true);
    await expect(openSet(repository, id, { trusted: [stranger.publicPem] })).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
    const forged = '20261124T020000Z-daily-k3f9';
    await writeSet(repository, { ...keys, privatePem: stranger.privatePem }, { id: forged, objects: [configMap('a')] });
    await expect(openSet(repository, forged)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
    await expect(openSet(repository, forged, { trusted: [keys.publicPem] })).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
  });
});

describe('digests of Secrets', () => {
  it('are keyed: the same Secret has another digest in another set, and the key lies sealed in the shard', async () => {
    const { repository, keys } = await location();
    const other = '20261124T020000Z-daily-k3f9';
    const pin = secret('pin', '1234');
    const first = await writeSet(repository, keys, { objects: [pin, configMap('a')] });
    const second = await writeSet(repository, keys, { id: other, objects: [pin] });
    expect(first.entries[0]!.digest).toMatch(/^hmac-sha256:[0-9a-f]{64}$/);
    expect(first.entries[0]!.digest).not.toBe(second.entries[0]!.digest);
    expect(first.entries[1]!.digest).toMatch(/^sha256:/);
    const shard = first.manifest.shards.find(record => record.class === 'secrets')!;
    const bytes = (await readBytes(repository.store, fileKey(id, shard.name), 1e6, {}))!;
    const files = await collect(unsealedTar(shard.name, bytes, { identities: [keys.identity] }));
    expect(files[0]!.path).toBe(digestKeyPath);
    const key = Buffer.from(files[0]!.content.toString(), 'hex');
    expect(key.length).toBe(32);
    expect(first.entries[0]!.digest).toBe(`hmac-sha256:${createHmac('sha256', key).update(pin.json).digest('hex')}`);
    expect(shard.entries).toBe(1);
  });
});
