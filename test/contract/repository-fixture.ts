import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { generateIdentity, recipientFingerprint } from '../../src/crypto/age.ts';
import { generateSigningKey } from '../../src/crypto/signing.ts';
import {
  type IndexEntry,
  type IndexRecord,
  indexKey,
  type KindRecord,
  type Manifest,
  type ShardRecord,
} from '../../src/domain/backup-set.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { isSecretKind, kindName, type ObjectRef } from '../../src/domain/resource.ts';
import { everything } from '../../src/domain/selection.ts';
import { setTime } from '../../src/domain/set-id.ts';
import { createIndexWriter } from '../../src/repository/index-writer.ts';
import { fileKey, manifestKey, shardName } from '../../src/repository/layout.ts';
import { encodeManifest } from '../../src/repository/manifest.ts';
import { readBytes } from '../../src/repository/read-bytes.ts';
import { initRepository, type Repository } from '../../src/repository/repository.ts';
import { createShardBuilder } from '../../src/repository/shard-builder.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';

export interface Keys {
  readonly identity: string;
  readonly recipient: string;
  readonly privatePem: string;
  readonly publicPem: string;
}

export async function newKeys(): Promise<Keys> {
  return { ...(await generateIdentity()), ...generateSigningKey() };
}

export const runtime = { now: () => new Date('2026-11-23T02:00:00Z'), random: (bytes: number) => new Uint8Array(randomBytes(bytes)) };

export interface TestRepository {
  readonly repository: Repository;
  readonly keys: Keys;
  readonly dir: string;
  remove(): Promise<void>;
}

/** A repository in a directory of its own. */
export async function makeRepository(options: { plaintext?: boolean } = {}): Promise<TestRepository> {
  const dir = await tempDir('repository');
  const keys = await newKeys();
  const store = createFileStore(dir);
  const repository = await initOn(store, keys, options.plaintext ?? false);
  return {
    repository,
    keys,
    dir,
    remove: async () => {
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function initOn(store: ObjectStore, keys: Keys, plaintext: boolean): Promise<Repository> {
  return initRepository(store, {
    recipients: plaintext ? [] : [keys.recipient],
    signingPublicKey: keys.publicPem,
    runtime,
    insecurePlaintext: plaintext,
  });
}

export interface TestObject {
  readonly ref: ObjectRef;
  readonly json: string;
  readonly attempt?: number;
  readonly fix?: true;
  readonly gone?: true;
}

export function configMap(name: string, namespace = 'agents', data = `settings of ${name}`): TestObject {
  const json = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, uid: uidOf(name) },
    data: { text: data },
  });
  return { ref: { group: '', version: 'v1', resource: 'configmaps', namespace, name }, json };
}

export function secret(name: string, value: string, namespace = 'agents'): TestObject {
  const data = { value: Buffer.from(value).toString('base64') };
  const json = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, uid: uidOf(name) }, data });
  return { ref: { group: '', version: 'v1', resource: 'secrets', namespace, name }, json };
}

export function workflow(name: string, namespace = 'argo'): TestObject {
  const ref = { group: 'argoproj.io', version: 'v1alpha1', resource: 'workflows', namespace, name };
  return {
    ref,
    json: `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":${JSON.stringify(name)}},"big":9007199254740993}`,
  };
}

function uidOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}

export interface SetOptions {
  readonly id?: string;
  /** RFC 3339; the second of its id, unless told. */
  readonly startedAt?: string;
  readonly objects: readonly TestObject[];
  readonly phase?: Manifest['phase'];
  readonly tier?: string;
  readonly plaintext?: boolean;
  readonly sealIndex?: boolean;
  /** Size of the tar archive at which a shard is cut. */
  readonly maxTarBytes?: number;
  /** The reading that counts, by kind name. */
  readonly attempts?: Readonly<Record<string, number>>;
  readonly volumes?: Manifest['volumes'];
  /** Stops before the manifest. */
  readonly halfWritten?: boolean;
}

/** Writes a set as a backup does: content, then index, then the manifest. */
export async function writeSet(
  repository: Repository,
  keys: Keys,
  options: SetOptions,
): Promise<{ manifest: Manifest; entries: IndexEntry[] }> {
  const id = options.id ?? '20261123T020000Z-daily-k3f9';
  const recipients = options.plaintext === true ? [] : [keys.recipient];
  const shards: ShardRecord[] = [];
  const index: IndexRecord[] = [];
  const entries: IndexEntry[] = [];
  const put = async (name: string, bytes: Uint8Array) => void (await repository.store.put(fileKey(id, name), bytes));
  const builders = (['resources', 'secrets'] as const).map(shardClass =>
    createShardBuilder({
      class: shardClass,
      recipients,
      ...(options.maxTarBytes !== undefined && { maxTarBytes: options.maxTarBytes }),
      ...(shardClass === 'secrets' && { digestKey: runtime.random(32) }),
      nameOf: n => shardName(shardClass, n, recipients.length > 0),
      onShard: async ({ record, bytes }) => {
        await put(record.name, bytes);
        shards.push(record);
      },
    }),
  );
  const writer = createIndexWriter({
    recipients,
    sealIndex: options.sealIndex ?? false,
    onPart: async ({ record, bytes }) => {
      await put(record.name, bytes);
      index.push(record);
    },
  });
  for (const { ref, json, attempt, fix, gone } of options.objects) {
    const meta = { uid: uidOf(ref.name), ...(attempt !== undefined && { attempt }) };
    const kind = ref.resource;
    const entry: IndexEntry = gone
      ? { ...ref, kind, ...meta, digest: '', size: 0, shard: '', fix: true, gone }
      : await builders[isSecretKind(ref) ? 1 : 0]!.add(ref, kind, Buffer.from(json), meta, fix);
    entries.push(entry);
    await writer.add(entry);
  }
  for (const builder of builders) await builder.finish();
  await writer.finish();
  const manifest = manifestOf(repository, keys, { id, options, shards, index });
  if (options.halfWritten !== true) await repository.store.put(manifestKey(id), encodeManifest(manifest, keys.privatePem));
  return { manifest, entries };
}

function manifestOf(
  repository: Repository,
  keys: Keys,
  parts: { id: string; options: SetOptions; shards: ShardRecord[]; index: IndexRecord[] },
): Manifest {
  const { id, options, shards, index } = parts;
  const startedAt = options.startedAt ?? (setTime(id) ?? new Date(0)).toISOString();
  const kinds = kindsOf(effectiveObjects(options), options.attempts ?? {});
  return {
    formatVersion: 1,
    id,
    repository: repository.info.id,
    phase: options.phase ?? 'Completed',
    tier: options.tier ?? 'daily',
    startedAt,
    finishedAt: startedAt,
    producer: { name: 'holdfast', version: '0.1.0' },
    cluster: { uid: 'a1', version: 'v1.37.2', server: 'https://127.0.0.1:6443' },
    consistency: 'instant',
    revision: '4711',
    selection: everything,
    kinds,
    objects: kinds.reduce((sum, kind) => sum + kind.count, 0),
    bytes: kinds.reduce((sum, kind) => sum + kind.bytes, 0),
    excluded: [],
    problems:
      options.phase === 'PartiallyFailed' ? [{ item: 'metrics.k8s.io/v1beta1', code: 'DISCOVERY_INCOMPLETE', message: 'no answer' }] : [],
    volumes: options.volumes ?? [],
    shards,
    index,
    encryption: {
      scheme: options.plaintext === true ? 'none' : 'age',
      recipients: options.plaintext === true ? [] : [recipientFingerprint(keys.recipient)],
      indexSealed: options.sealIndex === true && options.plaintext !== true,
    },
  };
}

/** What the set is to hold, worked out the simple way: everything in memory, in order. */
export function effectiveObjects(options: Pick<SetOptions, 'objects' | 'attempts'>): TestObject[] {
  const held = new Map<string, TestObject>();
  for (const object of options.objects) {
    if (object.attempt !== options.attempts?.[kindName(object.ref)]) continue;
    if (object.gone) held.delete(indexKey(object.ref));
    else held.set(indexKey(object.ref), object);
  }
  return [...held.values()];
}

function kindsOf(objects: readonly TestObject[], attempts: Readonly<Record<string, number>>): KindRecord[] {
  const kinds = new Map<string, KindRecord>();
  for (const { ref, json } of objects) {
    const { group, version, resource, namespace } = ref;
    const name = kindName(ref);
    const attempt = attempts[name];
    const before = kinds.get(name) ?? { count: 0, bytes: 0 };
    kinds.set(name, {
      ...{ group, version, resource, kind: resource, namespaced: namespace !== '' },
      count: before.count + 1,
      bytes: before.bytes + Buffer.byteLength(json),
      revision: '4711',
      consistency: 'instant',
      ...(attempt !== undefined && { attempt }),
    });
  }
  return [...kinds.values()];
}

/** A store around another. */
export function wrapStore(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return {
    url: store.url,
    put: (...args) => store.put(...args),
    get: (...args) => store.get(...args),
    head: (...args) => store.head(...args),
    list: (...args) => store.list(...args),
    listNames: (...args) => store.listNames(...args),
    delete: (...args) => store.delete(...args),
    close: () => store.close(),
    ...changes,
  };
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

export async function allFiles(store: ObjectStore): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const { key } of await collect(store.list(''))) files.set(key, (await readBytes(store, key, 1e7, {}))!);
  return files;
}

/** A store from which one file is read as `bytes`, or is missing. */
export function tampered(store: ObjectStore, victim: string, bytes: Uint8Array | undefined): ObjectStore {
  async function* get(key: string): AsyncGenerator<Uint8Array> {
    if (bytes === undefined) throw new HoldfastError('STORE_NOT_FOUND', `${key} does not exist`);
    yield bytes;
  }
  async function* listNames(prefix: string): AsyncGenerator<string> {
    for await (const name of store.listNames(prefix)) if (bytes !== undefined || prefix + name !== victim) yield name;
  }
  return wrapStore(store, { get: (key, options) => (key === victim ? get(key) : store.get(key, options)), listNames });
}

/** Objects of several kinds, one that changed late and one that vanished: four files. */
export const sample: SetOptions = {
  objects: [
    configMap('a'),
    workflow('build-1'),
    secret('token', 's3cret'),
    configMap('b', 'agents', 'before'),
    { ...configMap('b', 'agents', 'after'), fix: true },
    configMap('c'),
    { ...configMap('c'), fix: true, gone: true },
  ],
};
